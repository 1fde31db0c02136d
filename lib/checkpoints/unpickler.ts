import { TorchdetError } from '../errors';
import { ByteCursor } from './byte-cursor';
import { findGlobal } from './pickle-globals';
import { op } from './pickle-opcodes';
import {
  PickleArgumentError,
  PickleDict,
  PickleGlobal,
  PickleObject,
  type PickleValue,
  StorageReference,
  TensorReference,
} from './pickle-values';
import { formatError } from './types';

/** Units (elements, characters) stand-ins may handle in one file; real checkpoints stay far below. */
const maxWork = 50_000_000;
/**
 * Opcodes in one file: about 30 a tensor are needed. An empty dict is one byte in the file and some hundred in memory,
 * so without a limit a file of nothing but them would end the process.
 */
const maxOpcodes = 3_000_000;
/** Bytes of an integer; Python itself refuses longer decimal ones. */
const maxIntegerBytes = 2048;

/**
 * Runs one pickle starting at `cursor` and leaves the cursor behind its STOP. Nothing outside the allow-list of
 * pickle-globals can be named, and nothing of Python is executed; the work is bounded by the length of the data.
 *
 * @param loadPersistent makes a storage reference of a persistent id
 * @throws TorchdetError ERR_CHECKPOINT_UNSAFE naming a global that is not allowed; ERR_CHECKPOINT_FORMAT where the
 *   pickle is damaged or uses what checkpoints do not need
 */
export function unpickle(
  cursor: ByteCursor,
  loadPersistent: (id: PickleValue) => StorageReference,
): PickleValue {
  return new Unpickler(cursor, loadPersistent).run();
}

/** Names come out of the file: none may draw on the terminal. */
function printable(name: string): string {
  return name.slice(0, 200).replace(/[^\x20-\x7e]/g, '?');
}

class Unpickler {
  private stack: PickleValue[] = [];
  /** Heights of the stack at the open marks. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private work = 0;

  constructor(
    private readonly cursor: ByteCursor,
    private readonly loadPersistent: (id: PickleValue) => StorageReference,
  ) {}

  run(): PickleValue {
    for (let steps = 0; steps < maxOpcodes; steps++) {
      const opcode = this.cursor.uint8();
      if (opcode === op.stop) return this.pop();
      this.step(opcode);
    }
    throw this.bad(`more than ${maxOpcodes} instructions`);
  }

  private bad(problem: string): TorchdetError {
    return formatError(
      this.cursor.where,
      `damaged pickle at byte ${this.cursor.position}: ${problem}.`,
    );
  }

  private unsafe(name: string): TorchdetError {
    return new TorchdetError(
      'ERR_CHECKPOINT_UNSAFE',
      `${this.cursor.where}: refused, because it wants to use Python's "${printable(name)}", which is not among the ` +
        `constructors a file of tensors needs. Nothing was executed. If the file holds a whole model rather than its ` +
        `weights, save model.state_dict() in Python instead.`,
    );
  }

  private push(value: PickleValue): void {
    this.stack.push(value);
  }

  private pop(): PickleValue {
    const value = this.stack.pop();
    if (value === undefined || this.stack.length < (this.marks.at(-1) ?? 0)) {
      throw this.bad('it takes more values than there are');
    }
    return value;
  }

  private top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined) throw this.bad('it uses a value where there is none');
    return value;
  }

  /** Everything above the last mark, the mark included. */
  private popToMark(): PickleValue[] {
    const height = this.marks.pop();
    if (height === undefined) throw this.bad('it closes a group that was not opened');
    return this.stack.splice(height);
  }

  private popMany(count: number): PickleValue[] {
    const values = Array.from({ length: count }, () => this.pop());
    return values.reverse();
  }

  private remember(index: number): void {
    this.memo.set(index, this.top());
  }

  private recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw this.bad(`it recalls value ${index}, which it never stored`);
    this.push(value);
  }

  private readonly spend = (units: number): void => {
    this.work += units;
    if (this.work > maxWork) throw this.bad('it asks for an absurd amount of work');
  };

  private step(opcode: number): void {
    const { cursor } = this;
    switch (opcode) {
      case op.proto: {
        const version = cursor.uint8();
        if (version > 5) throw this.bad(`protocol ${version} is unknown`);
        return;
      }
      case op.frame:
        cursor.uint64();
        return;
      case op.mark:
        this.marks.push(this.stack.length);
        return;
      case op.pop:
        if (this.stack.length === this.marks.at(-1)) this.marks.pop();
        else this.pop();
        return;
      case op.popMark:
        this.popToMark();
        return;
      case op.dup:
        this.push(this.top());
        return;

      case op.none:
        this.push(null);
        return;
      case op.newTrue:
        this.push(true);
        return;
      case op.newFalse:
        this.push(false);
        return;
      case op.binInt:
        this.push(cursor.int32());
        return;
      case op.binInt1:
        this.push(cursor.uint8());
        return;
      case op.binInt2:
        this.push(cursor.uint16());
        return;
      case op.long1:
        this.push(this.binaryLong(cursor.uint8()));
        return;
      case op.long4:
        this.push(this.binaryLong(cursor.int32()));
        return;
      case op.int:
      case op.long:
        this.push(this.decimal(cursor.line()));
        return;
      case op.float:
        this.push(Number(cursor.line()));
        return;
      case op.binFloat:
        this.push(cursor.float64BigEndian());
        return;

      case op.unicode:
        this.push(cursor.line());
        return;
      case op.string:
        this.push(cursor.line().replace(/^(['"])(.*)\1$/, '$2'));
        return;
      case op.shortBinString:
      case op.shortBinUnicode:
        this.push(cursor.text(cursor.uint8()));
        return;
      case op.binString:
      case op.binUnicode:
        this.push(cursor.text(cursor.uint32()));
        return;
      case op.binUnicode8:
        this.push(cursor.text(cursor.uint64()));
        return;
      case op.shortBinBytes:
        this.push(cursor.take(cursor.uint8()));
        return;
      case op.binBytes:
        this.push(cursor.take(cursor.uint32()));
        return;
      case op.binBytes8:
      case op.byteArray8:
        this.push(cursor.take(cursor.uint64()));
        return;

      case op.emptyTuple:
      case op.emptyList:
        this.push([]);
        return;
      case op.tuple:
      case op.list:
        this.push(this.popToMark());
        return;
      case op.tuple1:
        this.push(this.popMany(1));
        return;
      case op.tuple2:
        this.push(this.popMany(2));
        return;
      case op.tuple3:
        this.push(this.popMany(3));
        return;
      case op.append: {
        const value = this.pop();
        this.list().push(value);
        return;
      }
      case op.appends: {
        const values = this.popToMark();
        const list = this.list();
        for (const value of values) list.push(value);
        return;
      }
      case op.emptyDict:
        this.push(new PickleDict());
        return;
      case op.dict: {
        const items = this.popToMark();
        this.push(new PickleDict());
        this.setItems(items);
        return;
      }
      case op.setItem:
        this.setItems(this.popMany(2));
        return;
      case op.setItems:
        this.setItems(this.popToMark());
        return;
      case op.emptySet:
        this.push(new Set());
        return;
      case op.frozenSet:
        this.push(new Set(this.popToMark()));
        return;
      case op.addItems: {
        const values = this.popToMark();
        const set = this.top();
        if (!(set instanceof Set)) throw this.bad('it adds members to something that is no set');
        for (const value of values) set.add(value);
        return;
      }

      case op.put:
        this.remember(Number(this.decimal(cursor.line())));
        return;
      case op.binPut:
        this.remember(cursor.uint8());
        return;
      case op.longBinPut:
        this.remember(cursor.uint32());
        return;
      case op.memoize:
        this.remember(this.memo.size);
        return;
      case op.get:
        this.recall(Number(this.decimal(cursor.line())));
        return;
      case op.binGet:
        this.recall(cursor.uint8());
        return;
      case op.longBinGet:
        this.recall(cursor.uint32());
        return;

      case op.global:
        this.push(this.global(cursor.line(), cursor.line()));
        return;
      case op.stackGlobal: {
        const [module, name] = this.popMany(2);
        this.push(this.global(module, name));
        return;
      }
      case op.inst: {
        const global = this.global(cursor.line(), cursor.line());
        this.push(this.call(global, this.popToMark()));
        return;
      }
      case op.newObjEx: {
        const [cls, args] = this.popMany(3);
        this.push(this.call(cls, args));
        return;
      }
      case op.reduce:
      case op.newObj: {
        const [callable, args] = this.popMany(2);
        this.push(this.call(callable, args));
        return;
      }
      case op.build:
        this.build(this.pop());
        return;
      case op.binPersid:
        this.push(this.loadPersistent(this.pop()));
        return;
      default:
        throw this.bad(`opcode 0x${opcode.toString(16)} is unknown, or nothing checkpoints use`);
    }
  }

  private binaryLong(length: number): number | bigint {
    if (length < 0 || length > maxIntegerBytes) throw this.bad(`an integer of ${length} bytes`);
    const bytes = this.cursor.take(length);
    if (length === 0) return 0;
    const value = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
    return this.integer(BigInt.asIntN(length * 8, value));
  }

  private decimal(line: string): number | bigint | boolean {
    // Protocol 0 writes booleans as the integers 00 and 01.
    if (line === '00' || line === '01') return line === '01';
    if (!/^-?\d+L?$/.test(line) || line.length > maxIntegerBytes) {
      throw this.bad(`${JSON.stringify(line.slice(0, 40))} is not an integer`);
    }
    return this.integer(BigInt(line.replace('L', '')));
  }

  private integer(value: bigint): number | bigint {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  private list(): PickleValue[] {
    const list = this.top();
    if (!Array.isArray(list)) throw this.bad('it appends to something that is no list');
    return list;
  }

  private setItems(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof PickleDict)) throw this.bad('it sets items of something that is no dict');
    if (items.length % 2 !== 0) throw this.bad('it sets a key without a value');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i] ?? null, items[i + 1] ?? null);
  }

  private global(module: PickleValue | undefined, name: PickleValue | undefined): PickleGlobal {
    if (typeof module !== 'string' || typeof name !== 'string') {
      throw this.bad('the name of a global is not text');
    }
    const found = findGlobal(module, name);
    if (!found) throw this.unsafe(`${module}.${name}`);
    return found;
  }

  private call(callable: PickleValue | undefined, args: PickleValue | undefined): PickleValue {
    if (!(callable instanceof PickleGlobal))
      throw this.bad('it calls something that is no function');
    if (!Array.isArray(args)) throw this.bad('it calls a function without a tuple of arguments');
    if (!callable.call) throw this.unsafe(`${callable.name}(…)`);
    try {
      return callable.call(args, this.spend);
    } catch (error) {
      if (error instanceof PickleArgumentError) throw this.bad(`it describes ${error.message}`);
      throw error;
    }
  }

  /** BUILD sets attributes; only those of dictionaries and kept objects are of use. */
  private build(state: PickleValue): void {
    const target = this.top();
    if (target instanceof PickleDict) {
      if (state instanceof PickleDict) target.attributes = state;
    } else if (target instanceof PickleObject) target.state = state;
    else if (!(target instanceof TensorReference)) {
      throw this.bad('it sets the state of something that has none');
    }
  }
}
