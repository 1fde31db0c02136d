// See ../README.md. c10d's header needs nothing of this file of Gloo's.
#pragma once
