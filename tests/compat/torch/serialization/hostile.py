"""Files that try to run code, to read outside of memory, to fill it, or that are simply broken.

Each case is a name, the bytes of the file, the error that loading must raise and a part of its
message. Code in them would set `builtins.hostile_file_ran`.
"""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["CASES", "GOOD", "Case", "archive", "pickled_tensor"]

REFUSED = pickle.UnpicklingError
CODE = "import builtins; builtins.hostile_file_ran = True"


class Case(NamedTuple):
    """A file, and what loading it raises."""

    name: str
    data: bytes
    error: type[Exception]
    message: str


# --- pickles, put together by hand --------------------------------------------------------------

PROTO = b"\x80\x02"
EMPTY = b"}"


def text(value: str) -> bytes:
    """BINUNICODE."""
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def name(module: str, attribute: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{attribute}\n".encode()


def number(value: int) -> bytes:
    """BININT or LONG1."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def several(*items: bytes) -> bytes:
    """TUPLE."""
    return b"(" + b"".join(items) + b"t"


def called(function: bytes, *args: bytes) -> bytes:
    """REDUCE."""
    return function + several(*args) + b"R"


EXEC = called(name("builtins", "exec"), text(CODE))


def storage(
    count: int = 4, key: str = "0", where: str = "cpu", kind: bytes = name("torch", "FloatStorage")
) -> bytes:
    """A storage, by BINPERSID."""
    return several(text("storage"), kind, text(key), text(where), number(count)) + b"Q"


HOOKS = called(name("collections", "OrderedDict"))


def tensor(
    offset: bytes = number(0),
    size: bytes = several(number(2), number(2)),
    stride: bytes = several(number(2), number(1)),
    requires_grad: bytes = b"\x89",
    memory: bytes = storage(),
    function: bytes = name("torch._utils", "_rebuild_tensor_v2"),
    more: Iterable[bytes] = (),
) -> bytes:
    """A tensor."""
    return called(function, memory, offset, size, stride, requires_grad, HOOKS, *more)


def sizes(*lengths: int) -> bytes:
    """A tuple of integers."""
    return several(*map(number, lengths))


# --- archives -----------------------------------------------------------------------------------

MEMORY = struct.pack("<4f", 1.0, 2.0, 3.0, 4.0)


def archive(
    content: bytes,
    records: dict[str, bytes] | None = None,
    method: int = zipfile.ZIP_STORED,
    more: Iterable[tuple[str, bytes]] = (),
    without: Iterable[str] = (),
) -> bytes:
    """An archive as `torch.save` writes it, around any pickle."""
    stream = io.BytesIO()
    entries = [
        ("archive/data.pkl", content),
        ("archive/byteorder", b"little"),
        *((f"archive/{key}", data) for key, data in (records or {"data/0": MEMORY}).items()),
        ("archive/version", b"3\n"),
        *more,
    ]
    with zipfile.ZipFile(stream, "w", method) as file:
        for path, data in entries:
            if path not in without:
                entry = zipfile.ZipInfo(path)
                entry.compress_type = method
                with file.open(entry, "w") as record:
                    record.write(data)
    return stream.getvalue()


def pickled_tensor(**parts: bytes) -> bytes:
    """A pickle of one tensor."""
    return PROTO + tensor(**parts) + b"."


GOOD = archive(pickled_tensor())
"""The file that the others are made of; it can be loaded."""


def patched(data: bytes, old: bytes, new: bytes, count: int = 1) -> bytes:
    """A file with some bytes replaced."""
    assert data.count(old) >= count
    assert len(old) == len(new)
    return data.replace(old, new)


def directory(data: bytes, place: int, layout: str, value: int, record: bytes) -> bytes:
    """A file with a field of an entry of the directory changed."""
    at = data.rindex(record) - 46 + place
    return data[:at] + struct.pack(layout, value) + data[at + struct.calcsize(layout) :]


def crc_kept(data: bytes, record: bytes, old: bytes, new: bytes) -> bytes:
    """A file with the bytes of a record replaced, and its checksums with them."""
    changed = data.replace(
        zlib.crc32(old).to_bytes(4, "little"), zlib.crc32(new).to_bytes(4, "little")
    )
    assert record in data
    return changed.replace(old, new)


def _runs() -> list[Case]:
    """Pickles that would run code."""
    outside = "was not an allowed global by default"
    unknown = "Unsupported operand"
    pairs = {
        "exec": (EXEC, outside),
        "eval, by its name in Python 2": (
            called(name("__builtin__", "eval"), text(f"exec({CODE!r})")), outside),
        "os.system": (called(name("os", "system"), text("true")), "module os is blocked"),
        "posix.system": (called(name("posix", "system"), text("true")), "module posix is blocked"),
        "nt.system": (called(name("nt", "system"), text("true")), "module nt is blocked"),
        "sys.exit": (called(name("sys", "exit")), "module sys is blocked"),
        "subprocess": (called(name("subprocess", "run"), text("true")), outside),
        "subprocess, by its name in Python 2": (
            called(name("commands", "getoutput"), text("true")), outside),
        "getattr": (called(name("builtins", "getattr"), name("torch", "Tensor"),
                           text("__reduce_ex__")), outside),
        "an import": (called(name("builtins", "__import__"), text("antigravity")), outside),
        "apply": (called(name("__builtin__", "apply"), name("builtins", "exec")), outside),
        "map": (called(name("builtins", "map"), name("builtins", "exec")), outside),
        "partial": (called(name("functools", "partial"), name("builtins", "exec")), outside),
        "copyreg": (called(name("copyreg", "_reconstructor")), outside),
        "copyreg, by its name in Python 2": (called(name("copy_reg", "add_extension")), outside),
        "pickle.loads": (called(name("pickle", "loads"), text("")), outside),
        "torch.load": (called(name("torch", "load"), text("x")), outside),
        "torch.serialization.load": (called(name("torch.serialization", "load")), outside),
        "a module's module": (called(name("torch.serialization", "os.system")), outside),
        "a dotted name": (called(name("collections", "OrderedDict.__init__")), outside),
        "an attribute of a function": (
            called(name("torch._utils", "_rebuild_tensor_v2.__globals__")), outside),
        "the layer by its own name": (
            called(name("funcgrad.compat.torch.serialization", "load")), outside),
        "the unpickler's list": (
            called(name("torch.serialization", "add_safe_globals"), b"]"), outside),
        "a module by its class": (called(name("torch.nn.modules.linear", "Linear")), outside),
        "a name of another file": (called(name("__main__", "Net")), outside),
        "STACK_GLOBAL": (b"\x8c\x08builtins\x8c\x04exec\x93" + several(text(CODE)) + b"R", unknown),
        "INST": (b"(" + text(CODE) + b"ibuiltins\nexec\n", unknown),
        "OBJ": (b"(" + name("collections", "OrderedDict") + text(CODE) + b"o", unknown),
        "EXT1": (b"\x82\x01", unknown),
        "EXT2": (b"\x83\x01\x00", unknown),
        "EXT4": (b"\x84\x01\x00\x00\x00", unknown),
        "NEWOBJ_EX": (name("collections", "OrderedDict") + b")}\x92", unknown),
        "a persistent id as text": (b"Pevil\n", unknown),
        "a long as text": (b"L" + b"9" * 10_000 + b"L\n", unknown),
        "an int as text": (b"I12\n", unknown),
        "a float as text": (b"F1.5\n", unknown),
        "a string with escapes": (b"S'\\x41'\n", unknown),
        "bytes of protocol 3": (b"C\x01a", unknown),
        "eight bytes of a length": (b"\x8d" + b"\xff" * 8, unknown),
        "LONG4": (b"\x8b\xff\xff\xff\x7f", unknown),
        "a frame": (b"\x95\x00\x00\x00\x00\x00\x00\x00\x00", unknown),
        "a buffer beside the pickle": (b"\x97", unknown),
    }  # fmt: skip
    return [
        Case(f"runs code by {what}", archive(PROTO + run + b"."), REFUSED, message)
        for what, (run, message) in pairs.items()
    ]


def _misuses() -> list[Case]:
    """Pickles that misuse what is allowed."""
    ordered, made = name("collections", "OrderedDict"), called(name("collections", "OrderedDict"))
    state = b"}" + text("items") + ordered + b"s"
    deep = b")" + b"\x85" * 100_000
    wide = text("x") + b"\x85q\x01" + b"".join(b"h\x01h\x01\x86q\x01" for _ in range(60))
    pairs = {
        "a number is called": (number(1) + b")R", "unrecognized function 1"),
        "a dtype is called": (called(name("torch", "float32")), "unrecognized function"),
        "a tensor is called": (tensor() + b")R", "unrecognized function"),
        "Tensor with a size": (
            called(name("torch", "Tensor"), number(2**40)), "unrecognized function"),
        "FloatTensor with a size": (
            called(name("torch", "FloatTensor"), number(2**40)), "unrecognized function"),
        "FloatStorage with a size": (
            called(name("torch", "FloatStorage"), number(2**40)), "unrecognized function"),
        "UntypedStorage with a size": (
            called(name("torch.storage", "UntypedStorage"), number(2**40)),
            "unrecognized function"),
        "bytearray with a size": (
            called(name("builtins", "bytearray"), number(2**40)), "is made of bytes"),
        "bytearray of a list": (called(name("builtins", "bytearray"), b"]"), "is made of bytes"),
        "encode by another codec": (
            called(name("_codecs", "encode"), text("x"), text("rot13")), "latin1 only"),
        "encode by a codec that is imported": (
            called(name("_codecs", "encode"), text("x"), text("evil_module")), "latin1 only"),
        "encode with a handler of errors": (
            called(name("_codecs", "encode"), text("x"), text("latin1"), text("x")),
            "latin1 only"),
        "encode of what latin1 lacks": (
            called(name("_codecs", "encode"), text("\u20ac"), text("latin1")), "as latin1"),
        "complex of a text": (called(name("builtins", "complex"), text("1j")), "two numbers"),
        "a set of a dictionary": (called(name("builtins", "set"), b"}"), "made of a list"),
        "a set of lists": (called(name("builtins", "set"), b"]]a"), "unhashable"),
        "a Counter of texts": (
            called(name("collections", "Counter"), text("abc")), "made of a dictionary"),
        "a Counter that counts lists": (
            called(name("collections", "Counter"), b"}" + text("a") + b"]s"), "with numbers"),
        "an OrderedDict of numbers": (called(ordered, b"]" + number(1) + b"a"), "made of pairs"),
        "an OrderedDict of a tensor": (called(ordered, tensor()), "made of a list"),
        "arguments that are no tuple": (ordered + b"]R", "with a tuple"),
        "Size of a text": (called(name("torch", "Size"), text("12")), "made of a tuple"),
        "Size of tensors": (called(name("torch", "Size"), b"]" + tensor() + b"a"), "integers"),
        "a device of a number": (called(name("torch", "device"), number(3)), "its type"),
        "a new tensor": (name("torch", "Tensor") + b")\x81", "unrecognized class"),
        "a new bytearray": (name("builtins", "bytearray") + b")\x81", "unrecognized class"),
        "a new dtype": (name("torch", "float32") + b")\x81", "unrecognized class"),
        "a new OrderedDict with arguments": (ordered + several(number(1)) + b"\x81", "without"),
        "the state of a tensor": (tensor() + b"}b", "Can only build"),
        "the state of a number": (number(1) + b"}b", "Can only build"),
        "the state of a class": (ordered + b"}" + text("pop") + number(1) + b"sb", "Can only"),
        "the state of a dictionary": (b"}}b", "Can only build"),
        "methods of an OrderedDict": (made + state + b"b", "may not replace 'items'"),
        "the class of an OrderedDict": (
            made + b"}" + text("__class__") + ordered + b"sb", "may not replace '__class__'"),
        "a state of numbers": (made + b"}" + number(1) + number(2) + b"sb", "of its attributes"),
        "a state that is a list": (made + b"]b", "of its attributes"),
        "a tensor class made by a codec": (
            called(name("torch._tensor", "_rebuild_from_type_v2"), name("_codecs", "encode"),
                   name("torch", "Tensor"), several(text("x"), text("latin1")), b"}"),
            "by a function that makes tensors"),
        "a tensor of class OrderedDict": (
            called(name("torch._tensor", "_rebuild_from_type_v2"),
                   name("torch._utils", "_rebuild_tensor_v2"), ordered,
                   several(storage(), number(0), sizes(2), sizes(1), b"\x89", HOOKS), b"}"),
            "an allowed class of tensors"),
        "too few arguments": (
            called(name("torch._utils", "_rebuild_tensor_v2"), storage()), "cannot be called"),
        "a list as a key": (b"}]" + number(1) + b"s", "unhashable"),
        "a dictionary in a tuple as a key": (b"}}\x85" + number(1) + b"s", "unhashable"),
        "a key of very many parts": (wide + b"}h\x01" + number(1) + b"s", "too many parts"),
        "a key of very many levels": (b"}" + deep + number(1) + b"s", "too many parts"),
        "a key without a value": (b"}(" + number(1) + b"u", "without a value"),
        "items of a list": (b"]" + number(1) + number(2) + b"s", "Can only SETITEM"),
        "items of a tensor": (tensor() + number(0) + number(2) + b"s", "Can only SETITEM"),
        "the end of a dictionary": (b"}" + number(1) + b"a", "Can only append"),
        "the end of a tensor": (tensor() + number(1) + b"a", "Can only append"),
        "an empty stack": (b"", "empty stack"),
        "a mark that is not there": (b"t", "never set"),
        "a value that was not kept": (b"h\x07", "did not keep"),
        "a value far off that was not kept": (b"j\xff\xff\xff\xff", "did not keep"),
        "nothing kept": (b"q\x07", "without anything"),
        "a text that is not UTF-8": (b"X\x02\x00\x00\x00\xff\xfe", "not UTF-8"),
        "a name that is not UTF-8": (b"c\xff\n\xff\n", "not UTF-8"),
        "an operand that does not exist": (b"\xff", "Unsupported operand 255"),
        "a persistent id that is a text": (text("evil") + b"Q", "must be tuple or int"),
        "a persistent id that is a number": (number(0) + b"Q", "must be tuple or int"),
        "a persistent id of too few parts": (several(text("storage")) + b"Q", "other parts"),
        "a persistent id of a module": (
            several(text("module"), name("torch", "Tensor"), text("a"), text("b"), text("c"))
            + b"Q", "other parts"),
        "a storage of a class": (storage(kind=ordered), "no type of storages"),
        "a storage of a dtype": (storage(kind=name("torch", "float32")), "no type of storages"),
        "a storage of a list": (storage(kind=b"]"), "no type of storages"),
        "a storage of minus one element": (storage(-1), "parts of other types"),
        "a storage of True elements": (
            several(text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), b"\x88")
            + b"Q", "parts of other types"),
        "a storage whose key is a number": (
            several(text("storage"), name("torch", "FloatStorage"), number(0), text("cpu"),
                    number(4)) + b"Q", "parts of other types"),
    }  # fmt: skip
    long = b"](" + b"K\x01" * 30_000 + b"eq\x01"
    text_ = text("x" * 30_000) + b"q\x01"
    for what, start, each in (
        ("sets of one long list", long, name("builtins", "set") + b"h\x01\x85R"),
        ("encodings of one long text", text_,
         name("_codecs", "encode") + b"h\x01" + text("latin1") + b"\x86R"),
        ("states of one long dictionary",
         b"}(" + b"".join(text(f"a{i}") + b"N" for i in range(3000)) + b"uq\x01",
         made + b"h\x01b"),
    ):  # fmt: skip
        pairs[f"many {what}"] = (start + each * 3000, "copies much more than it holds")
    return [
        Case(what, archive(PROTO + run + b"."), REFUSED, message)
        for what, (run, message) in pairs.items()
    ]


def _tensors() -> list[Case]:
    """Tensors that would reach outside their memory, or make no sense."""
    huge = 2**62
    v3 = name("torch._utils", "_rebuild_tensor_v3")
    parameter = name("torch._utils", "_rebuild_parameter")
    with_state = name("torch._utils", "_rebuild_parameter_with_state")

    def stateful(key: str) -> bytes:
        state = b"}" + text(key) + number(1) + b"s"
        return called(with_state, tensor(), b"\x88", HOOKS, state)

    pairs = {
        "one element too far": (tensor(number(1)), "out of bounds"),
        "a stride too far": (tensor(stride=sizes(3, 1)), "out of bounds"),
        "an offset far outside": (tensor(number(huge)), "out of bounds"),
        "an offset beyond 64 bits": (tensor(number(2**64)), "invalid storage offset"),
        "a negative offset": (tensor(number(-1)), "invalid storage offset"),
        "an offset that is a bool": (tensor(b"\x88"), "invalid storage offset"),
        "an offset that is a tensor": (tensor(tensor()), "invalid storage offset"),
        "a negative stride": (tensor(number(3), stride=sizes(-2, -1)), "stride of a tensor"),
        "a negative size": (tensor(size=sizes(-2, -2)), "size of a tensor"),
        "a stride beyond 64 bits": (tensor(stride=sizes(2**70, 1)), "stride of a tensor"),
        "a stride that overflows": (tensor(stride=sizes(2**63 - 1, 2**63 - 1)), "out of bounds"),
        "more strides than sizes": (tensor(size=sizes(2)), "unequal size length"),
        "a size that is a number": (tensor(size=number(2)), "size of a tensor"),
        "sizes that are floats": (
            tensor(size=several(b"G" + b"\x00" * 8, number(1))), "size of a tensor"),
        "more elements than memory, all the same": (
            tensor(size=sizes(2**40, 2**40), stride=sizes(0, 0)), "more axes or elements"),
        "seventy axes": (
            tensor(size=sizes(*[1] * 70), stride=sizes(*[1] * 70)), "more axes or elements"),
        "no storage": (tensor(memory=number(1)), "made of a storage"),
        "a tensor for a storage": (tensor(memory=tensor()), "made of a storage"),
        "an integer tensor that requires grad": (
            tensor(requires_grad=b"\x88", memory=storage(2, kind=name("torch", "LongStorage")),
                   size=sizes(2), stride=sizes(1)), "only Tensors of floating point"),
        "requires_grad that is a list": (tensor(requires_grad=b"]"), "must be a bool"),
        "metadata that is a list": (tensor(more=[b"]" + number(1) + b"a"]), "Invalid metadata"),
        "metadata of another name": (
            tensor(more=[b"}" + text("evil") + b"\x88s"]), "Invalid metadata"),
        "bytes of a type that is no dtype": (
            tensor(function=v3, more=[name("torch", "Size")]), "of a storage and a dtype"),
        "bytes of a wider type": (
            tensor(function=v3, more=[name("torch", "float64")]), "out of bounds"),
        "a parameter of a number": (called(parameter, number(1), b"\x88", HOOKS), "of a tensor"),
        "a parameter with a state for its values": (stateful("_value"), "may not replace"),
        "a parameter with a state for its graph": (stateful("_node"), "may not replace"),
        "a parameter with a state for its gradient": (stateful("_grad"), "may not replace"),
        "a parameter with a state for a method": (stateful("backward"), "may not replace"),
        "a parameter with a state for its class": (stateful("__class__"), "may not replace"),
        "a storage that claims more than its record": (
            tensor(memory=storage(2**40)), "does not match expected size"),
        "a storage that claims less than its record": (
            tensor(memory=storage(1)), "does not match expected size"),
        "a storage that claims 2**200 bytes": (
            tensor(memory=storage(2**200)), "does not match expected size"),
        "a storage that is not there": (tensor(memory=storage(key="7")), "file not found"),
        "a storage outside of the folder": (
            tensor(memory=storage(key="../data.pkl")), "file not found"),
        "a storage with an absolute path": (
            tensor(memory=storage(key="/etc/passwd")), "file not found"),
        "a storage on a GPU": (tensor(memory=storage(where="cuda:0")), "on a CUDA device"),
        "a storage on a device of another kind": (
            tensor(memory=storage(where="mps")), "not recognized: mps"),
        "a storage on a device that does not exist": (
            tensor(memory=storage(where="evil")), "tagged with evil"),
        "a layout that does not exist": (
            called(name("torch.serialization", "_get_layout"), text("torch.load")), "layout"),
        "a device that does not exist": (
            called(name("torch", "device"), text("evil")), "device type at start"),
    }  # fmt: skip
    return [
        Case(what, archive(PROTO + run + b"."), RuntimeError, message)
        for what, (run, message) in pairs.items()
    ]


def _archives() -> list[Case]:
    """Archives that lie about themselves."""
    good, pkl = GOOD, pickled_tensor()
    failed = "PytorchStreamReader failed reading zip archive"
    entry = b"archive/data/0"
    zeros = {"data/0": b"\x00" * 10**8}
    bomb = archive(pickled_tensor(memory=storage(25 * 10**6)), zeros, zipfile.ZIP_DEFLATED)
    end = good.rindex(b"PK\5\6")
    other = archive(pkl, more=[("other/data/0", MEMORY)])
    return [
        Case("an empty archive", b"PK\5\6" + bytes(18), REFUSED, "Unsupported operand 80"),
        Case("only the mark of an archive", b"PK\3\4", RuntimeError, "central directory"),
        Case("a zip bomb", bomb, RuntimeError, "would swell to"),
        Case("a zip bomb of many records", archive(pickled_tensor(), {
             f"data/{i}": bytes(10**6) for i in range(100)}, zipfile.ZIP_DEFLATED), RuntimeError,
             "would swell to"),
        Case("a record that claims to be larger",
             directory(good, 24, "<I", 2**31, entry), RuntimeError, failed),
        Case("a record that claims 4 GB, stored",
             directory(directory(good, 24, "<I", 2**32 - 2, entry), 20, "<I", 2**32 - 2, entry),
             RuntimeError, "larger than the file"),
        Case("a record that lies behind the file",
             directory(good, 42, "<I", 2**31, entry), RuntimeError, "larger than the file"),
        Case("a record that lies in another",
             directory(good, 42, "<I", 3, entry), RuntimeError, "overlap"),
        Case("two names of one record",
             directory(good, 42, "<I", 0, entry), RuntimeError, "overlap"),
        Case("an encrypted record", directory(good, 8, "<H", 1, entry), RuntimeError, "encrypted"),
        Case("a record packed by LZMA", archive(pkl, method=zipfile.ZIP_LZMA), RuntimeError,
             "packed in a way"),
        Case("a record packed by BZIP2", archive(pkl, method=zipfile.ZIP_BZIP2), RuntimeError,
             "packed in a way"),
        Case("a packed record that is stored",
             directory(archive(pkl, method=zipfile.ZIP_DEFLATED), 10, "<H", 0, entry),
             RuntimeError, failed),
        Case("a stored record that is packed",
             directory(good, 10, "<H", 8, entry), RuntimeError, failed),
        Case("a wrong checksum in the directory",
             directory(good, 16, "<I", 1, entry), RuntimeError, "checksum"),
        Case("changed bytes of a storage", patched(good, MEMORY, MEMORY[::-1]), RuntimeError,
             "checksum"),
        Case("a changed pickle", patched(good, b"_rebuild_tensor_v2", b"_rebuild_tensor_v3"),
             RuntimeError, "checksum"),
        Case("two records of one name",
             archive(pkl, more=[("archive/data/1", MEMORY)]).replace(b"data/1", b"data/0"),
             RuntimeError, "two records of the name"),
        Case("two folders", other, RuntimeError, "not in a subdirectory archive/"),
        Case("no folder", archive(pkl, more=[("data.pkl", pkl)]), RuntimeError,
             "not in a subdirectory"),
        Case("a path upwards", archive(pkl, more=[("archive/../../evil", b"x")]), RuntimeError,
             "is a path"),
        Case("a path of Windows", archive(pkl, more=[("archive/evil", b"x")]).replace(
             b"archive/evil", b"archive/..\\x"), RuntimeError, "is a path"),
        Case("an absolute path", archive(pkl, more=[("/archive/evil", b"x")]), RuntimeError,
             "is a path|not in a subdirectory"),
        Case("a record whose name is not UTF-8",
             archive(pkl, more=[("archive/evil", b"x")]).replace(b"evil", b"\xff\xfe\xfd\xfc"),
             RuntimeError, "not UTF-8"),
        Case("a name that differs in the directory",
             good[: good.rindex(entry)] + b"archive/data/1" + good[good.rindex(entry) + 14 :],
             RuntimeError, "file not found|differs from its entry"),
        Case("no pickle", archive(pkl, without=["archive/data.pkl"]), RuntimeError,
             "file not found"),
        Case("no version", archive(pkl, without=["archive/version"]), RuntimeError, "version"),
        Case("a version of the future", archive(pkl).replace(b"3\n", b"9\n").replace(
             zlib.crc32(b"3\n").to_bytes(4, "little"), zlib.crc32(b"9\n").to_bytes(4, "little")
             ).replace(b"archive/version9\n", b"archive/version99"), RuntimeError, failed),
        Case("an order of bytes that does not exist",
             crc_kept(good, b"archive/byteorder", b"little", b"middle"), ValueError,
             "Unknown endianness type"),
        Case("a program of TorchScript", archive(pkl, more=[("archive/constants.pkl", b"x")]),
             RuntimeError, "TorchScript"),
        Case("a file cut in the middle", good[: len(good) // 2], RuntimeError,
             "central directory"),
        Case("a file without its last byte", good[:-1], RuntimeError, "central directory"),
        Case("a file without its directory", good[:end], RuntimeError, "central directory"),
        Case("a directory that is cut out", good[: end - 20] + good[end:], RuntimeError, failed),
        Case("a directory that begins elsewhere",
             good[:end + 16] + b"\x05" + good[end + 17 :], RuntimeError, failed),
        Case("a directory of 60000 entries", good[: end + 8] + b"\x60\xea\x60\xea"
             + good[end + 12 :], RuntimeError, failed),
        Case("bytes before the archive", b"PK\3\4garbage" + good, RuntimeError, failed),
        Case("a comment that hides the end", good + b"x" * 100, RuntimeError, "central directory"),
    ]  # fmt: skip


def _truncated() -> list[Case]:
    """Pickles that end too early."""
    pairs = {
        "nothing": b"",
        "no end": PROTO + b"]",
        "a text that is longer than the file": PROTO + b"X\xff\xff\xff\xff" + b"abc",
        "a name without an end": PROTO + b"ctorch",
        "a number without its bytes": PROTO + b"J\x00",
        "a long without its bytes": PROTO + b"\x8a\xff\x01",
    }
    return [
        Case(f"a pickle of {what}", archive(content), EOFError, "Ran out of input")
        for what, content in pairs.items()
    ]


def _old() -> list[Case]:
    """Files that are no archives: of the format before 1.6, or of none."""
    magic = PROTO + b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    head = magic + PROTO + b"M\xe9\x03." + PROTO + b"}."
    ids = several(text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"),
                  number(4), b"N") + b"Q"  # fmt: skip
    keys = PROTO + b"]" + text("0") + b"a."
    body = PROTO + tensor(memory=ids) + b"." + keys
    memory = struct.pack("<q", 4) + MEMORY
    many = ids.replace(number(4), number(2**30))
    return [
        Case("an empty file", b"", EOFError, "Ran out of input"),
        Case("a page of HTML", b"<!DOCTYPE html>", REFUSED, "Unsupported operand 60"),
        Case("a text", b"hello world", REFUSED, "no file that torch.save wrote"),
        Case("zeros", bytes(1000), REFUSED, "Unsupported operand 0"),
        Case("a plain pickle", pickle.dumps({"a": 1}, 2), RuntimeError, "Invalid magic number"),
        Case("a plain pickle that runs code", PROTO + EXEC + b".", RuntimeError,
             "Invalid magic number"),
        Case("another number", PROTO + b"\x8a\x01\x05.", RuntimeError, "Invalid magic number"),
        Case("an old file of another protocol", magic + PROTO + b"K\x01.", RuntimeError,
             "protocol version"),
        Case("an old file that ends", magic, EOFError, "Ran out of input"),
        Case("an old file that runs code", head + PROTO + EXEC + b"." + PROTO + b"].", REFUSED,
             "not an allowed global"),
        Case("an old file that runs code as its list", head + PROTO + b"N." + PROTO + EXEC + b".",
             REFUSED, "not an allowed global"),
        Case("an old file without its storages", head + body, RuntimeError, "unexpected EOF"),
        Case("an old file with half a storage", head + body + memory[:-3], RuntimeError,
             "expected 3 more bytes"),
        Case("an old file with a storage too many",
             head + PROTO + b"N." + keys + memory, RuntimeError, "list of storages"),
        Case("an old file whose storage has another length",
             head + body + struct.pack("<q", 5) + MEMORY + b"1234", RuntimeError,
             "wrong byte size"),
        Case("an old file with a huge storage",
             head + PROTO + tensor(memory=many) + b"." + keys + memory, RuntimeError,
             "larger than the file"),
        Case("an old file with a part outside", head + PROTO + tensor(
             memory=ids.replace(b"Nt", several(text("v"), number(3), number(2)) + b"t"))
             + b"." + keys + memory, RuntimeError, "outside"),
        Case("an old file that names a module", head + PROTO + several(
             text("module"), name("torch", "Tensor"), text("a"), text("b")) + b"Q." + keys,
             REFUSED, "other parts"),
    ]  # fmt: skip


CASES = [*_runs(), *_misuses(), *_tensors(), *_archives(), *_truncated(), *_old()]
