"""A consumer as the Kinesis Client Library makes them, with its leases in a file.

Workers share the shards of a stream by leases: who holds a shard's lease reads
it, notes how far it came, and renews the lease. A lease that is not renewed is
anybody's. A shard is begun when its parents have been read to their end. (The
library itself needs a JVM and DynamoDB.)

Run as "main" it starts two workers, puts records while the stream is split,
merged and counted anew, kills a worker, starts another, and holds what the
workers wrote to what was put: nothing is missing, and the records of a key
come in their order.
"""
import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LEASE = 2.0  # seconds that one is good for
STREAM = "leases"
END = "SHARD_END"
KEYS, EACH = 20, 150

kinesis = boto3.client("kinesis", config=Config(retries={"total_max_attempts": 1}))


class Leases:
    """The table of leases, and of what was handled, in one file."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("CREATE TABLE IF NOT EXISTS lease (shard TEXT PRIMARY KEY, parents TEXT, owner TEXT, until REAL, at TEXT)")
        self.db.execute("CREATE TABLE IF NOT EXISTS handled (n INTEGER PRIMARY KEY, key TEXT, data INTEGER, worker TEXT)")

    @contextlib.contextmanager
    def change(self):
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            raise

    def sync(self):
        """Notes shards that are new."""
        for page in kinesis.get_paginator("list_shards").paginate(StreamName=STREAM):
            for s in page["Shards"]:
                parents = " ".join(p for p in (s.get("ParentShardId"), s.get("AdjacentParentShardId")) if p)
                self.db.execute("INSERT OR IGNORE INTO lease VALUES (?, ?, '', 0, '')", (s["ShardId"], parents))

    def take(self, worker, most):
        """Takes leases that nobody holds, of shards whose parents are done."""
        with self.change():
            rows = self.db.execute("SELECT shard, parents, owner, until, at FROM lease ORDER BY shard").fetchall()
            done = {shard for shard, _, _, _, at in rows if at == END}
            mine = [shard for shard, _, owner, until, at in rows if owner == worker and until > time.time() and at != END]
            for shard, parents, owner, until, at in rows:
                if len(mine) < most and at != END and until < time.time() and set(parents.split()) <= done:
                    self.db.execute("UPDATE lease SET owner = ?, until = ? WHERE shard = ?", (worker, time.time() + LEASE, shard))
                    mine.append(shard)
            return [(shard, at) for shard, _, _, _, at in rows if shard in mine]

    def handle(self, worker, shard, records, at):
        """Writes what was done and how far it came, if the lease still holds."""
        with self.change():
            n = self.db.execute("UPDATE lease SET at = ?, until = ? WHERE shard = ? AND owner = ? AND until > ?",
                                (at, time.time() + LEASE, shard, worker, time.time())).rowcount
            if n == 0:
                return False
            self.db.executemany("INSERT INTO handled (key, data, worker) VALUES (?, ?, ?)",
                                [(r["PartitionKey"], int(r["Data"]), worker) for r in records])
            return True


def work(path, worker):
    leases, iterators = Leases(path), {}
    leases.sync()
    while True:
        held = leases.take(worker, 4)
        for gone in set(iterators) - {shard for shard, _ in held}:
            del iterators[gone]
        for shard, at in held:
            step(leases, worker, shard, at, iterators)
        time.sleep(0.05)


def step(leases, worker, shard, at, iterators):
    """Reads a shard a little further."""
    try:
        if shard not in iterators:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": at} if at else {"ShardIteratorType": "TRIM_HORIZON"}
            iterators[shard] = kinesis.get_shard_iterator(StreamName=STREAM, ShardId=shard, **start)["ShardIterator"]
        out = kinesis.get_records(ShardIterator=iterators[shard], Limit=50)
    except ClientError as e:
        if e.response["Error"]["Code"] == "ExpiredIteratorException":
            del iterators[shard]
        elif e.response["Error"]["Code"] != "ProvisionedThroughputExceededException":
            raise
        return
    records, more = out["Records"], out.get("NextShardIterator")
    if not more:
        leases.sync()  # its children are listed
    at = records[-1]["SequenceNumber"] if records else at
    if not leases.handle(worker, shard, records, at if more else END):
        iterators.pop(shard, None)  # somebody else has it
    elif more:
        iterators[shard] = more


def put_all():
    """Puts numbers under each key, in order, and changes the shards meanwhile."""
    for n in range(EACH):
        todo = [{"PartitionKey": f"key-{k}", "Data": str(n).encode()} for k in range(KEYS)]
        while todo:
            out = kinesis.put_records(StreamName=STREAM, Records=todo)
            todo = [r for r, done in zip(todo, out["Records"]) if "ErrorCode" in done]
        if n in (30, 60, 90, 120):
            reshape(n)
        yield n


def reshape(n):
    open_ones = sorted(kinesis.list_shards(StreamName=STREAM, ShardFilter={"Type": "AT_LATEST"})["Shards"],
                       key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))
    first, second = open_ones[0], open_ones[1]
    if n in (30, 90):
        middle = (int(first["HashKeyRange"]["StartingHashKey"]) + int(first["HashKeyRange"]["EndingHashKey"])) // 2
        kinesis.split_shard(StreamName=STREAM, ShardToSplit=first["ShardId"], NewStartingHashKey=str(middle))
    elif n == 60:
        kinesis.merge_shards(StreamName=STREAM, ShardToMerge=first["ShardId"], AdjacentShardToMerge=second["ShardId"])
    else:
        kinesis.update_shard_count(StreamName=STREAM, TargetShardCount=4, ScalingType="UNIFORM_SCALING")


def main():
    kinesis.create_stream(StreamName=STREAM, ShardCount=2)
    path = os.path.join(tempfile.mkdtemp(), "leases.db")
    leases = Leases(path)
    run = lambda name: subprocess.Popen([sys.executable, __file__, path, name])
    workers = [run("a"), run("b")]
    try:
        for n in put_all():
            if n == 50:
                begun(leases, "a")
                workers[0].kill()  # its leases run out
            if n == 100:
                workers.append(run("c"))
        deadline = time.time() + 60
        while time.time() < deadline:
            if leases.db.execute("SELECT COUNT(DISTINCT key || '/' || data) FROM handled").fetchone()[0] == KEYS * EACH:
                break
            assert any(w.poll() is None for w in workers), "no worker is left"
            time.sleep(0.1)
        check(leases)
    finally:
        for w in workers:
            w.kill()
            w.wait()


def begun(leases, worker):
    """Waits until a worker has handled something."""
    deadline = time.time() + 60
    while not leases.db.execute("SELECT COUNT(*) FROM handled WHERE worker = ?", (worker,)).fetchone()[0]:
        assert time.time() < deadline, f"{worker} does nothing"
        time.sleep(0.05)


def check(leases):
    rows = leases.db.execute("SELECT key, data, worker FROM handled ORDER BY n").fetchall()
    for k in range(KEYS):
        got = [data for key, data, _ in rows if key == f"key-{k}"]
        assert got == list(range(EACH)), f"key-{k}: {got}"  # a lease and what it covers are one transaction: no record twice
    shards = leases.db.execute("SELECT shard, at FROM lease").fetchall()
    assert len(shards) >= 8 and sum(at == END for _, at in shards) >= 4, shards
    by = {w: sum(1 for _, _, x in rows if x == w) for w in "abc"}
    assert by["b"] and by["a"], by
    print(f"{len(rows)} records of {KEYS} keys in order, by workers {by}, over {len(shards)} shards")


if __name__ == "__main__":
    if sys.argv[1:] == ["main"]:
        main()
    else:
        work(*sys.argv[1:])
