"""The decision trees: questions with measurable answers, which lead to techniques."""

from __future__ import annotations

from typing import Iterator, NamedTuple


class Step(NamedTuple):
    """A question whose yes leads to techniques (their keys) and whose no to the next step.

    how: a command that answers it, for a shell. read: what of its output is the answer.
    """

    number: str
    question: str
    how: str
    read: str
    yes: tuple[str, ...]


class Branch(NamedTuple):
    """Steps one after the other, and where the last no leads."""

    steps: tuple[Step, ...]
    otherwise: tuple[str, ...]


class Tree(NamedTuple):
    """load: a command that puts load on the service, for some of the questions. first: steps before
    the fork. fork: a question with two ways on, whose yes is empty."""

    key: str
    title: str
    about: str
    load: str
    first: tuple[Step, ...]
    fork: Step
    yes: Branch
    no: Branch

    @property
    def ways(self) -> str:
        """Where the fork leads, in words."""
        yes, no = ([step.number for step in one.steps] for one in (self.yes, self.no))
        return f"questions {yes[0]} to {yes[-1]}, a no to {no[0]} to {no[-1]}"

    @property
    def steps(self) -> Iterator[Step]:
        """All questions, in order."""
        yield from (*self.first, self.fork, *self.yes.steps, *self.no.steps)

    @property
    def leaves(self) -> Iterator[tuple[str, ...]]:
        """Where its ways end."""
        for step in self.steps:
            if step.yes:
                yield step.yes
        yield self.yes.otherwise
        yield self.no.otherwise


# What the commands below stand on: a service, its process, a URL of it that is slow, a statement of
# its database. These lines give one to try them on.
SETUP = """\
python3 -m http.server 8080 >/dev/null 2>/tmp/access.log & PID=$!  # yours: PID=$(pgrep -n NAME)
URL=http://127.0.0.1:8080/GUIDE.md                                 # a request of it that is slow
SQL='SELECT count(*) FROM pg_class'                                # a statement that it makes
curl --retry 60 --retry-connrefused --retry-delay 1 -so /dev/null $URL  # waits until it is there
traced() {  # the system calls of one request: how many, and the seconds in them
  timeout 5 strace -f -c -w -o /tmp/calls -e "trace=$1" -p $PID & sleep 2
  curl -so /dev/null $URL; wait $!; cat /tmp/calls
}"""

_TIMES = r"curl -so /dev/null -w '%{time_connect} %{time_total}\n' $URL"
_LOG = "awk '{n++; if (seen[$7]++) again++} END {print 100 * again / n}' /tmp/access.log"
_ROWS = "sum(tup_returned + tup_inserted + tup_updated + tup_deleted)"
_PROFILE = (
    "perf record -q -g -o /tmp/perf.data -p $PID -- sleep 10; "
    "perf report --stdio --no-children -g none -i /tmp/perf.data | head -30"
)

REQUEST = Tree(
    "slow-request",
    "A request is slow",
    "Nothing else runs. Questions 2, 3, 6 and 7 are about CPU and instructions: for these one "
    "client asks again and again, and for the others nobody does.",
    "wrk -t1 -c1 -d10m $URL >/dev/null & LOAD=$!",
    (
        Step("1", "Alone, is it fast enough?", _TIMES, "time_total (seconds) is under your limit",
             ("tree:collapse",)),
    ),
    Step("2", "Does it compute for over half of the time?",
         "top -b -d 5 -n 2 -p $PID | tail -1", "%CPU (the 9th number) is over 50", ()),
    Branch(
        (
            Step("3", "Is over 30% of that in the kernel?", "pidstat -u -p $PID 5 1",
                 "%system is over 0.3 of %CPU", ("io", "batching")),
            Step("4", "Twice the data: over 2.5 times the time?", _TIMES,
                 "time_total with twice the rows is over 2.5 times that with once",
                 ("algorithms", "indexes")),
            Step("5", "Was over 30% asked before, unchanged?", _LOG,
                 "it prints over 30 (it counts field 7 of the common log format)",
                 ("response-caching", "caching")),
            Step("6", "Does one function take over 30%?", _PROFILE, "the first line is over 30%",
                 ("unnecessary",)),
            Step("7", "Under one instruction per cycle?",
                 "perf stat -e cycles,instructions -p $PID -- sleep 5", "insn per cycle is under 1",
                 ("layout", "ram")),
        ),
        ("simd", "scaling-up", "gpus", "cpu"),
    ),
    Branch(
        (
            Step("8", "Does it connect anew for each request?", "traced connect",
                 "calls of connect is over 0",
                 ("pooling",)),
            Step("9", "Over ten messages to others per request?",
                 "traced sendto,sendmsg,write,writev", "calls, in the last line, is over 10",
                 ("batching",)),
            Step("10", "Does a statement read ten times the rows it gives?",
                 'psql -c "EXPLAIN (ANALYZE, BUFFERS) $SQL"',
                 "Rows Removed by Filter is over ten times rows", ("indexes",)),
            Step("11", "Does it read from the disk?",
                 "grep ^read_b /proc/$PID/io; curl -so /dev/null $URL; grep ^read_b /proc/$PID/io",
                 "the second number is larger (with a database: of its process)",
                 ("ram", "ssd", "io")),
            Step("12", "Does it flush for over 30% of the time?", "traced fsync,fdatasync",
                 "seconds is over 0.3 of time_total", ("batching", "ssd")),
            Step("13", "Does connecting take over a tenth?", _TIMES,
                 "time_connect is over 0.1 of time_total, from where the user is",
                 ("protocols", "edge-caching")),
            Step("14", "Does it wait for what the reply does not show?",
                 "timeout 10 strace -f -tt -e trace=network -p $PID & sleep 2; "
                 "curl -so /dev/null $URL",
                 "before the reply is sent, the times show a wait for a mail, a log, a count",
                 ("queues",)),
        ),
        ("contention", "bottlenecks"),
    ),
)  # fmt: skip

COLLAPSE = Tree(
    "collapse",
    "A service collapses under load",
    "Find the knee first: the number of clients from which on twice as many get hardly more "
    "requests per second (question 2 prints them). Questions 3, 5 and 8 to 13 are asked under "
    "that load: put its number for 16. wrk sends the next request when it has the answer to the "
    "last, so real users, who do not wait, fare worse.",
    "wrk -t1 -c16 -d10m $URL >/dev/null & LOAD=$!",
    (
        Step("1", "With one client, is it too slow already?", _TIMES,
             "time_total (seconds) is over your limit", ("tree:slow-request",)),
        Step("2", "Beyond the knee, do requests per second fall by 10%?",
             "for c in 1 2 4 8 16 32 64; do echo $c; wrk -t1 -c$c -d5s --latency $URL "
             "| grep -E '99%|Requests/sec'; done",
             "Requests/sec with 64 is under 0.9 of the highest", ("admission", "contention")),
    ),
    Step("3", "At the knee, are the CPUs busy?", "vmstat 5 2 | tail -1",
         "id (the 15th number) is under 10", ()),
    Branch(
        (
            Step("4", "Was over 30% asked before, unchanged?", _LOG,
                 "it prints over 30 (it counts field 7 of the common log format)",
                 ("response-caching", "edge-caching")),
            Step("5", "Is over 20% for what the reply does not show?", _PROFILE,
                 "such functions sum to over 20%", ("queues",)),
            Step("6", "Do two CPUs give under 1.6 times what one gives?",
                 "for cpus in 0 0,1; do taskset -acp $cpus $PID >/dev/null; "
                 "wrk -t1 -c16 -d5s $URL | grep Requests/sec; done",
                 "the second is under 1.6 times the first (with one CPU: a no)",
                 ("contention", "scaling-up")),
            Step("7", "Is there a machine that is fast enough?",
                 "make compare BASE=@epyc-zen5-2c-24g-virtio/avx2 "
                 "NEW=@epyc-zen5-2c-24g-virtio/base",
                 "your machine as BASE: the ratio times Requests/sec at the knee is over your peak",
                 ("scaling-up", "cpu")),
        ),
        ("scaling-out", "load-balancing"),
    ),
    Branch(
        (
            Step("8", "Is one thread at its limit?",
                 "top -H -b -d 5 -n 2 -p $PID | awk '/^top/ {n++} n == 2' | sort -k 9,9 -nr "
                 "| head -3",
                 "%CPU (the 9th number) is over 90 for one, and under half of that for the next",
                 ("contention", "scaling-up")),
            Step("9", "Are the database's connections used up?",
                 "psql -Atc \"SELECT count(*), current_setting('max_connections') "
                 "FROM pg_stat_activity WHERE backend_type = 'client backend'\"",
                 "the first is over 0.9 of the second", ("pooling",)),
            Step("10", "Is a disk busy for over 90%?", "iostat -dx 5 2",
                 "%util, in the last lines, is over 90",
                 ("batching", "io", "ssd")),
            Step("11", "Does it wait for what the reply does not show?",
                 "timeout 10 strace -f -tt -e trace=network -p $PID & sleep 2; "
                 "curl -so /dev/null $URL",
                 "before the reply is sent, the times show a wait for a mail, a log, a count",
                 ("queues",)),
            Step("12", "Has one instance over twice its share?",
                 "ss -Htn state established '( sport = :8080 )' | wc -l",
                 "on one instance it is over twice the mean of all",
                 ("load-balancing",)),
            Step("13", "Are over 80% of the rows only read?",
                 f'psql -Atc "SELECT 100 * sum(tup_returned) / greatest(1, {_ROWS}) '
                 'FROM pg_stat_database"', "it prints over 80", ("replication",)),
        ),
        ("sharding", "clusters"),
    ),
)  # fmt: skip

TREES = (REQUEST, COLLAPSE)
