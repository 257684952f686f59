#!/usr/bin/env python3
"""Verifies a bundle of receipts, without a network: `docs/RECEIPTS.md`, in another language.

    verify_receipts.py <bundle> --trust <file> [--json]
    verify_receipts.py --batch --trust <file>     lines {"id", "bundle_base64"} or {"id", "path"} in, a line of JSON out for each

Written from that document alone; it shares no line with the gateway. Names and numbers (§) are the document's. Python 3.11 and its
library, and `cryptography` for Ed25519. Exit: 0 proved, 6 tampered, 7 incomplete, 2 bad input, 4 no such file.
"""
import argparse
import base64
import hashlib
import io
import json
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EXIT = {"proved": 0, "bad_input": 2, "tampered": 6, "incomplete": 7}
HEADER = b'["fibric-receipts/1"]\n'
MAX_LINE = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_NOTE = 16_384
MAX_NOTE_LINES = 20
MAX_OPENINGS = 16
MAX_HASHES = 128
MAX_SEEN = 65_536
MAX_OPEN = 200_000
MAX_INCARNATIONS = 1_000
MAX_INTEGER = 2**53 - 1
MAX_SIZE = 10**15 - 1
MAX_ERASED = 1_000
MAX_TRUST_LINES = 1_000
MAX_TIME = 253_402_300_799
TOOK_EFFECT = ("applied", "applied_unverified", "superseded_externally", "unknown")


class Fault(Exception):
    """The bundle is tampered with; `seq` where it is another row than the next."""

    def __init__(self, reason: str, seq: int | None = None):
        super().__init__(reason)
        self.seq = seq


class BadInput(Exception):
    """No bundle, no trust file, or more than is looked at."""


# --- §2 Canonical JSON


STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def too_deep(text: str) -> bool:
    """Whether more arrays and objects are open at once than may be, in a text that need not be JSON; brackets in strings aside."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            return True
    return False


def number(text: str) -> int | float:
    # The longest number that ECMAScript writes has 25 characters.
    value = float(text) if len(text) <= 32 else float("inf")
    if abs(value) == float("inf") or text.startswith("-") and value == 0:
        raise ValueError("a number that is not allowed")
    if not value.is_integer():
        return value
    if abs(value) > MAX_INTEGER:
        raise ValueError("an integer beyond 2^53 - 1")
    return int(value)


def members(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def constant(name: str):
    raise ValueError(f"{name} is no JSON")


def write_number(value: int | float) -> str:
    """As ECMAScript does. A fraction is below 2^53, so only small ones have an exponent; Python's digits are the shortest, too."""
    text = repr(value)
    if "e" not in text:
        return text
    digits, exponent = text.split("e")
    zeros = -int(exponent) - 1
    if zeros > 5:
        return f"{digits}e-{zeros + 1}"
    sign = "-" if value < 0 else ""
    return f"{sign}0.{'0' * zeros}{digits.lstrip('-').replace('.', '')}"


def write(value) -> str:
    """The canonical text of a value."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return write_number(value)
    if isinstance(value, list):
        return f"[{','.join(map(write, value))}]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(f"{write(name)}:{write(value[name])}" for name in names) + "}"


DECODER = json.JSONDecoder(object_pairs_hook=members, parse_float=number, parse_int=number, parse_constant=constant)


def parse(data: bytes):
    """The value of a canonical text. Fault where it is not canonical, BadInput where it is nested too deep."""
    try:
        text = data.decode("utf-8")
        if too_deep(text):
            raise BadInput(f"more than {MAX_DEPTH} arrays and objects inside each other")
        value = DECODER.decode(text)
        if write(value).encode("utf-8") != data:  # a lone surrogate has no UTF-8
            raise ValueError("it is spelled otherwise")
    except ValueError as error:
        raise Fault(f"it is not canonical JSON: {error}") from None
    return value


# --- §4 Chain and tree


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def subtrees(start: int, end: int) -> list[int]:
    """The sizes of the complete subtrees of a range, from left to right."""
    sizes = []
    while start < end:
        size = 1 << ((end - start).bit_length() - 1)
        if start:
            size = min(size, start & -start)
        sizes.append(size)
        start += size
    return sizes


class Tree:
    def __init__(self):
        self.size = 0
        self.stack: list[tuple[int, bytes]] = []

    def add(self, size: int, subtree: bytes) -> None:
        self.size += size
        while self.stack and self.stack[-1][0] == size:
            subtree = sha256(b"\x01", self.stack.pop()[1], subtree)
            size *= 2
        self.stack.append((size, subtree))

    def root(self) -> bytes:
        if not self.stack:
            return sha256()
        root = self.stack[-1][1]
        for _, subtree in reversed(self.stack[:-1]):
            root = sha256(b"\x01", subtree, root)
        return root


# --- §5 Keys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
ORDER_8 = ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
           "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
SMALL_ORDER = {0, 1, P - 1} | {int.from_bytes(bytes.fromhex(y), "little") for y in ORDER_8}
WHITE_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
LOG, WITNESS = 1, 4


def base64_of(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 whose unused bits are not zero")
    return data


def is_name(text: str) -> bool:
    return 1 <= len(text) <= 255 and not re.search(r"[+\x00-\x1f\x7f-\x9f]", text) and not WHITE_SPACE.search(text)


@dataclass(frozen=True)
class Key:
    name: str
    id: bytes
    type: int
    public: bytes

    def verifies(self, signature: bytes, message: bytes) -> bool:
        if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= L:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            return True
        except InvalidSignature:
            return False


def key_of(text: str) -> Key:
    """A key of §5, or a ValueError."""
    name, key_id, encoded = text.split("+", 2)
    data = base64_of(encoded)
    if not is_name(name) or len(data) != 33 or data[0] not in (LOG, WITNESS):
        raise ValueError("not a key")
    if sha256(name.encode(), b"\n", data)[:4].hex() != key_id:
        raise ValueError("a key whose id is not its own")
    y = int.from_bytes(data[1:], "little") & (2**255 - 1)
    if y >= P or y in SMALL_ORDER:
        raise ValueError("a weak key")
    return Key(name, bytes.fromhex(key_id), data[0], data[1:])


# --- §5 The trust file


class Trust:
    def __init__(self, text: str):
        self.logs: list[Key] = []
        self.witnesses: dict[str, Key] = {}
        self.groups: dict[str, tuple[int, list[str]]] = {}
        self.quorum: str | None = None
        self._in_groups: set[str] = set()
        lines = text.split("\n")
        if len(lines) > MAX_TRUST_LINES:
            raise BadInput(f"more than {MAX_TRUST_LINES} lines")
        for at, line in enumerate(lines, 1):
            words = [word for word in re.split("[ \t]+", line) if word]
            try:
                if words and not words[0].startswith("#"):
                    self._line(words[0], words[1:])
            except (ValueError, IndexError) as error:
                raise BadInput(f"line {at}: {error}") from None
        if self.quorum is None:
            raise BadInput("no quorum")

    def _line(self, word: str, rest: list[str]) -> None:
        if word == "log" and 1 <= len(rest) <= 2:
            key = key_of(rest[0])
            if key.type != LOG or key in self.logs:
                raise ValueError("not the key of a log, or one that stands twice")
            self.logs.append(key)
        elif word == "witness" and 2 <= len(rest) <= 3:
            key = key_of(rest[1])
            if key.type != WITNESS or any(key.public == other.public for other in self.witnesses.values()):
                raise ValueError("not the key of a witness, or one that stands twice")
            self._new(rest[0])
            self.witnesses[rest[0]] = key
        elif word == "group" and len(rest) >= 3:
            name, threshold, parts = rest[0], rest[1], rest[2:]
            self._new(name)
            for part in parts:
                if not self._known(part) or part in self._in_groups:
                    raise ValueError(f"'{part}' is not above, or in another group")
                self._in_groups.add(part)
            if not re.fullmatch("all|any|[1-9][0-9]{0,5}", threshold):
                raise ValueError("all, any, or a number")
            needed = {"all": len(parts), "any": 1}.get(threshold) or int(threshold)
            if needed > len(parts):
                raise ValueError("more than there are")
            self.groups[name] = (needed, parts)
        elif word == "quorum" and len(rest) == 1:
            if self.quorum is not None or rest[0] != "none" and not self._known(rest[0]):
                raise ValueError("a second quorum, or of what is not above")
            self.quorum = rest[0]
        else:
            raise ValueError(f"'{word}' with {len(rest)} words")

    def _known(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def _new(self, name: str) -> None:
        if self._known(name) or name == "none":
            raise ValueError(f"the name '{name}' is taken")

    def satisfied(self, witnesses) -> bool:
        """Whether these witnesses, by their names here, satisfy the quorum."""
        met = {"none", *witnesses}
        for name, (needed, parts) in self.groups.items():  # a group stands below what it is made of
            if len(met.intersection(parts)) >= needed:
                met.add(name)
        return self.quorum in met


# --- §6 Checkpoints and cosignatures


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    body: bytes
    signatures: dict[tuple[str, bytes], bytes] = field(hash=False)
    seq: int = 0


def checkpoint_of(note: str, seq: int) -> Checkpoint:
    if len(note.encode("utf-16-le")) // 2 > MAX_NOTE or note.count("\n") > MAX_NOTE_LINES:
        raise BadInput("a note that is too long")
    lines = note.split("\n")
    if len(lines) < 6 or lines[3] or lines.pop():
        raise Fault("not a checkpoint")
    origin, size, root = lines[:3]
    signatures: dict[tuple[str, bytes], bytes] = {}
    try:
        hash_of_root = base64_of(root)
        for line in lines[4:]:
            dash, name, encoded = line.split(" ")
            data = base64_of(encoded)
            if dash != "\u2014" or not is_name(name) or len(data) < 5:
                raise ValueError("not a signature")
            signatures.setdefault((name, data[:4]), data[4:])  # the first counts
    except ValueError:
        raise Fault("not a checkpoint") from None
    if not is_name(origin) or not re.fullmatch("0|[1-9][0-9]{0,14}", size) or len(hash_of_root) != 32:
        raise Fault("not a checkpoint")
    if all(name != origin for name, _ in signatures):
        raise Fault("not a checkpoint: its log has not signed it")
    return Checkpoint(origin, int(size), hash_of_root, f"{origin}\n{size}\n{root}\n".encode(), signatures, seq)


def cosigned_at(key: Key, signature: bytes, body: bytes) -> int | None:
    """The Unix time of a cosignature that verifies."""
    if len(signature) != 72:
        return None
    time = int.from_bytes(signature[:8], "big")
    if time > MAX_TIME or not key.verifies(signature[8:], f"cosignature/v1\ntime {time}\n".encode() + body):
        return None
    return time


# --- §3 Rows


def is_positive(value) -> bool:
    return type(value) is int and value >= 1


def is_text(value) -> bool:
    return isinstance(value, str)


def is_text_or_null(value) -> bool:
    return value is None or isinstance(value, str)


def an(shape: dict):
    return lambda value: isinstance(value, dict) and all(name in value and holds(value[name]) for name, holds in shape.items())


def each(holds):
    return lambda value: isinstance(value, list) and all(map(holds, value))


def is_planned(value) -> bool:
    return PLANNED(value) and (value["status"] != "awaiting" or WAITING(value))


PLANNED = an({"action": an({"action_id": is_text}), "status": is_text})
WAITING = an({"waiting": an({"approvers": is_positive})})
EVERY = {"type": is_text, "seq": is_positive, "prev": is_text, "at": is_text}
KINDS = {
    "boot/1": {"epoch": is_positive},
    "plan/1": {"actions": each(is_planned)},
    "approval/1": {"effect": is_text, "decision": is_text, "actions": each(an({"action_id": is_text}))},
    "intent/1": {"action_id": is_text},
    "receipt/1": {"action_id": is_text, "outcome": is_text, "reason_code": is_text_or_null,
                  "idempotency_key": is_text_or_null},
    "correction/1": {"action_id": is_text, "idempotency_key": is_text, "conclusion": is_text},
    "incarnation/1": {"origin": is_text, "key": is_text},
    "checkpoint/1": {"note": is_text},
    "cosignature/1": {"note": is_text},
    "redaction/1": {"who": is_text, "reason": is_text, "erased": each(an({"seq": is_positive, "field": is_text}))},
}


def is_row(row) -> bool:
    return an(EVERY)(row) and an(KINDS.get(row["type"], {}))(row)


def is_hex(value, digits: int) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{%d}" % digits, value) is not None


# --- §8 Verification

ROW = re.compile(rb'\["([0-9a-f]{64})",(.*)\]', re.DOTALL)
EPISODE = re.compile(r"(.+)@ep=([0-9]{1,15})#([0-9]{1,15})", re.DOTALL)


class Verifier:
    def __init__(self, trust: Trust):
        self.trust = trust
        self.origins = {key.name for key in trust.logs}
        self.tree = Tree()
        self.prev: str | None = "0" * 64
        self.whole = True
        self.ended = False
        self.openings: list[tuple[str, str, object]] = []
        self.epoch = 0
        self.actions: dict[str, bool] = {}  # those that are open, and whether they have an intent
        self.awaited: dict[str, int] = {}  # how many persons have yet to say yes
        self.episodes: dict[str, tuple[int, int]] = {}
        self.keys: set[bytes] = set()
        self.freed: set[str] = set()
        self.doubts: dict[str, str] = {}  # actions that wait for a correction, with their keys
        self.seen: dict[int, bytes] = {}  # size and root of checkpoints
        self.last: dict[str, Checkpoint] = {}
        self.last_cosigned: dict[str, Checkpoint] = {}
        self.uncovered = 0  # the last row that only a signature after it covers
        self.incarnations = 0
        self.rows = self.receipts = self.opened = self.withheld = 0
        self.head = "0" * 64
        self.erased: list[dict] = []

    # §8.1

    def verify(self, file) -> dict:
        try:
            return self.verdict(cut=not self.read(file))
        except Fault as fault:
            return {"kind": "tampered", "seq": fault.seq or self.tree.size + 1, "reason": str(fault)}
        except BadInput as bad:
            return {"kind": "bad_input", "seq": self.tree.size + 1, "reason": str(bad)}

    def read(self, file) -> bool:
        """Whether all was there."""
        if file.readline(len(HEADER)) != HEADER:
            raise BadInput('it does not begin with ["fibric-receipts/1"]')
        while line := file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE and not line.endswith(b"\n"):
                raise BadInput("a line longer than 4 MiB")
            if self.ended:
                raise Fault("something follows the end")
            if not line.endswith(b"\n"):
                return False
            row = ROW.fullmatch(line, 0, len(line) - 1)
            if row:
                self.row(row[1].decode(), row[2])
            else:
                self.statement(line[:-1])
        return self.ended

    def row(self, stated: str, text: bytes) -> None:
        leaf = sha256(b"\x00", text)
        if leaf.hex() != stated:
            raise Fault("its content does not match its hash")
        row = parse(text)
        if not is_row(row):
            raise Fault("not a row")
        if row["seq"] != self.tree.size + 1:
            raise Fault(f"it says that it is row {row['seq']}")
        if self.prev is not None and row["prev"] != self.prev:
            raise Fault("it does not follow the row before")
        self.open(row)
        self.tell(row)
        if row["type"] not in ("checkpoint/1", "cosignature/1"):
            self.uncovered = row["seq"]
        self.rows += 1
        self.tree.add(1, leaf)
        self.prev = self.head = stated

    def open(self, row: dict) -> None:
        for name, salt, value in self.openings:
            if row.get(f"{name}_c") != sha256(b"commit/1", bytes.fromhex(salt), write(value).encode()).hex():
                raise Fault(f"what is shown as '{name}' is not what was committed to")
        shown = {f"{name}_c" for name, _, _ in self.openings}
        self.opened += len(self.openings)
        self.withheld += sum(name.endswith("_c") and value is not None and name not in shown for name, value in row.items())
        self.openings = []

    def statement(self, line: bytes) -> None:
        match parse(line):
            case ["open", str(name), salt, value] if is_hex(salt, 32):
                if len(self.openings) == MAX_OPENINGS or any(name == other for other, _, _ in self.openings):
                    raise Fault("more is opened than there is, or the same twice")
                self.openings.append((name, salt, value))
            case ["skip", count, [*hashes]] if is_positive(count) and all(is_hex(one, 64) for one in hashes):
                self.skip(count, hashes)
            case ["checkpoint", str(note)]:
                self.none_waiting()
                one = self.checkpoint(note)
                self.hold(one, self.last, self.last_cosigned)
            case ["end", leaves] if type(leaves) is int:
                self.none_waiting()
                if leaves != self.tree.size:
                    raise Fault(f"the end says {leaves} rows")
                self.ended = True
            case _:
                raise Fault("neither a row nor a statement")

    def none_waiting(self) -> None:
        if self.openings:
            raise Fault("an opening without a row")

    def skip(self, count: int, hashes: list[str]) -> None:
        self.none_waiting()
        if self.tree.size + count > MAX_SIZE:
            raise Fault("more is passed by than a journal can have")
        sizes = subtrees(self.tree.size, self.tree.size + count)
        if len(hashes) > MAX_HASHES or len(hashes) != len(sizes):
            raise Fault("not the subtrees of what is passed by")
        for size, subtree in zip(sizes, hashes):
            self.tree.add(size, bytes.fromhex(subtree))
        self.prev, self.whole, self.uncovered = None, False, self.tree.size

    def checkpoint(self, note: str) -> Checkpoint:
        one = checkpoint_of(note, self.tree.size + 1)
        if one.size != self.tree.size or one.root != self.tree.root():
            raise Fault("a checkpoint of another tree")
        self.seen[one.size] = one.root
        if len(self.seen) > MAX_SEEN:
            del self.seen[next(iter(self.seen))]
        return one

    def cosignature(self, note: str) -> None:
        one = checkpoint_of(note, self.tree.size + 1)
        if one.size not in self.seen:
            return
        if self.seen[one.size] != one.root:
            raise Fault("a cosignature for another tree")
        self.hold(one, self.last_cosigned)

    def hold(self, one: Checkpoint, *places: dict[str, Checkpoint]) -> None:
        # Others are no candidates, and anybody can make up any number of them.
        for place in places if one.origin in self.origins else ():
            place[one.origin] = one

    # §8.2

    def tell(self, row: dict) -> None:
        match row["type"]:
            case "boot/1":
                if row["epoch"] <= self.epoch or self.whole and row["epoch"] != self.epoch + 1:
                    raise Fault(f"epoch {row['epoch']} after {self.epoch}")
                self.epoch = row["epoch"]
            case "plan/1":
                for one in row["actions"]:
                    action = one["action"]["action_id"]
                    self.actions[action] = False
                    self.awaited[action] = one["waiting"]["approvers"] if one["status"] == "awaiting" else 0
            case "approval/1" if row["effect"] == "counts" and row["decision"] == "approve":
                for one in row["actions"]:
                    if one["action_id"] in self.awaited:
                        self.awaited[one["action_id"]] -= 1
            case "intent/1":
                if self.whole and row["action_id"] not in self.actions:
                    raise Fault("an intent for an action that is not open")
                if self.whole and self.awaited[row["action_id"]] > 0:
                    raise Fault("an intent for an action that waits for a person")
                self.actions[row["action_id"]] = True
            case "receipt/1":
                self.receipt(row)
            case "correction/1":
                self.correction(row)
            case "incarnation/1":
                self.incarnation(row)
            case "checkpoint/1":
                self.hold(self.checkpoint(row["note"]), self.last)
            case "cosignature/1":
                self.cosignature(row["note"])
            case "redaction/1":
                told = {"who": row["who"], "reason": row["reason"], "at": row["at"]}
                erased = [{"seq": one["seq"], "field": one["field"], **told} for one in row["erased"]]
                self.erased += erased[:MAX_ERASED - len(self.erased)]
        if len(self.actions) + len(self.episodes) + len(self.doubts) + len(self.freed) > MAX_OPEN:
            raise BadInput("too many actions and intents at once")

    def receipt(self, row: dict) -> None:
        self.receipts += 1
        intent = self.actions.pop(row["action_id"], None)
        self.awaited.pop(row["action_id"], None)
        if self.whole and intent is None:
            raise Fault("a receipt for an action that is not open")
        sent = row["outcome"] in TOOK_EFFECT
        if sent and intent is False:
            raise Fault("an effect without an intent")
        altered = row["outcome"] == "failed" and row["reason_code"] == "device_altered"
        if not (sent or altered) or row["idempotency_key"] is None:
            return
        key = row["idempotency_key"]
        if row["outcome"] == "unknown":
            self.doubts[row["action_id"]] = key
        if episode := EPISODE.fullmatch(key):
            pair = (int(episode[2]), int(episode[3]))
            if pair <= self.episodes.get(episode[1], (-1, -1)):
                raise Fault(f"the key {key} after a later one")
            self.episodes[episode[1]] = pair
        else:
            digest = sha256(key.encode())[:16]
            if digest in self.keys and key not in self.freed:
                raise Fault(f"the key {key} a second time")
            self.keys.add(digest)
            self.freed.discard(key)

    def correction(self, row: dict) -> None:
        key = self.doubts.pop(row["action_id"], None)
        if self.whole and key is None or key not in (None, row["idempotency_key"]):
            raise Fault("a correction of an action that waits for none")
        if row["conclusion"] != "confirmed_not_applied":
            return
        key = row["idempotency_key"]
        if not (episode := EPISODE.fullmatch(key)):
            self.freed.add(key)
        elif self.episodes.get(episode[1]) == (int(episode[2]), int(episode[3])):
            self.episodes[episode[1]] = (int(episode[2]), int(episode[3]) - 1)

    def incarnation(self, row: dict) -> None:
        try:
            name = key_of(row["key"]).name
        except ValueError as error:
            raise Fault(f"its key: {error}") from None
        if name != row["origin"]:
            raise Fault("a key under another name than its origin")
        self.incarnations += 1
        if self.incarnations > MAX_INCARNATIONS:
            raise BadInput("too many incarnations")

    # §8.3

    def verdict(self, cut: bool) -> dict:
        last = self.last if self.trust.quorum == "none" else self.last_cosigned
        trusted = None
        for one in sorted(last.values(), key=lambda one: (one.size, one.seq)):
            cosigned = self.cosigners(one)
            if cosigned is not None:
                trusted = {"origin": one.origin, "size": one.size, "root": one.root.hex(), "cosigned": cosigned}
        after = trusted["size"] if trusted else 0
        report = {
            **{"rows": self.rows, "receipts": self.receipts, "head": self.head},
            **{"open_intents": sum(self.actions.values()), "checkpoint": trusted},
            **{"opened": self.opened, "erased": self.erased, "withheld": self.withheld},
        }
        if cut:
            return {"kind": "incomplete", "after": after, "reason": "the bundle ends in the middle", **report}
        if self.uncovered > after:
            return {"kind": "incomplete", "after": after, "reason": "no trusted signature covers what follows", **report}
        return {"kind": "proved", **report}

    def cosigners(self, one: Checkpoint) -> list[dict] | None:
        """Who cosigned a checkpoint and when; None where the quorum is not satisfied."""
        keys = [key for key in self.trust.logs if key.name == one.origin and (key.name, key.id) in one.signatures]
        if not keys:
            raise Fault("no trusted key of its log has signed the checkpoint", one.seq)
        if not all(key.verifies(one.signatures[key.name, key.id], one.body) for key in keys):
            raise Fault("the signature of the checkpoint is not its own", one.seq)
        signed: dict[str, int] = {}
        for name, key in self.trust.witnesses.items():
            signature = one.signatures.get((key.name, key.id))
            if signature is None:
                continue
            time = cosigned_at(key, signature, one.body)
            if time is None:
                raise Fault(f"the cosignature of {name} is not its own", one.seq)
            signed[name] = time
        if not self.trust.satisfied(signed):
            return None
        return [{"witness": name, "at": iso(time)} for name, time in signed.items()]


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def in_words(result: dict) -> list[str]:
    where = {"tampered": "row {seq}: ", "bad_input": "row {seq}: ", "incomplete": "after row {after}: "}.get(result["kind"], "")
    lines = [f"{result['kind'].replace('_', ' ')}: {where.format(**result)}{result.get('reason', '')}".rstrip(" :")]
    if "rows" not in result:
        return lines
    lines.append("{rows} rows, {receipts} receipts, {open_intents} intents without an outcome, head {head}".format(**result))
    if signed := result["checkpoint"]:
        seen = "".join(f", seen by {one['witness']} at {one['at']}" for one in signed["cosigned"])
        lines.append(f"signed by {signed['origin']} up to row {signed['size']}{seen}")
    lines += ["erased: {field} of row {seq}, on {at} by {who}: {reason}".format(**one) for one in result["erased"]]
    return [*lines, "{opened} texts shown, {withheld} not shown".format(**result)]


def open_file(path: str):
    try:
        return open(path, "rb")
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        sys.exit(4)


def batch(trust: Trust) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        data = request.get("bundle_base64")
        with open_file(request["path"]) if data is None else io.BytesIO(base64.b64decode(data)) as file:
            print(json.dumps({"id": request["id"], **Verifier(trust).verify(file)}), flush=True)


def main() -> int:
    arguments = argparse.ArgumentParser(description="Verifies a bundle of receipts; see docs/RECEIPTS.md.")
    arguments.add_argument("bundle", nargs="?")
    arguments.add_argument("--trust", required=True, metavar="<file>", help="whose signatures count (§5)")
    arguments.add_argument("--json", action="store_true", help="the whole result as JSON")
    arguments.add_argument("--batch", action="store_true", help="bundles come in lines of JSON on stdin")
    options = arguments.parse_args()
    if options.batch == (options.bundle is not None):
        arguments.error("either a bundle or --batch")
    try:
        with open_file(options.trust) as file:
            trust = Trust(file.read().decode("utf-8"))
    except (BadInput, UnicodeDecodeError) as error:
        print(f"{options.trust}: {error}", file=sys.stderr)
        return EXIT["bad_input"]
    if options.batch:
        batch(trust)
        return 0
    with open_file(options.bundle) as file:
        result = Verifier(trust).verify(file)
    if options.json:
        print(json.dumps({"object": "verification", **result}, indent=2))
    else:
        for line in in_words(result):  # what others wrote must not speak to the terminal
            print("".join(one if one.isprintable() else "\ufffd" for one in line))
    return EXIT[result["kind"]]


if __name__ == "__main__":
    sys.exit(main())
