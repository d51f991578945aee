"""The techniques: what each does, what shows it, and when it does not help.

In a text `{CELL}` stands for the cell's speedup and `{CELL over_standard}` for that over its
ladder's standard rung: in GUIDE.md from a record of results/, in a report from the run that it is
about. `group/kernel` between backticks becomes a link.
"""

from __future__ import annotations

from typing import NamedTuple

PERFORMANCE = "performance"
SCALABILITY = "scalability"
BOTH = "performance and scalability"


class Show(NamedTuple):
    """A measured cell, and what it is an example of. quantity: as `headroom cite` names it."""

    what: str
    cell: str
    quantity: str = "speedup"


class Technique(NamedTuple):
    """key: of links to it. axes: the resource that it leans on. no_gain: when it does not help.
    lacks: what has no kernel, or no figure, here. only: a remark without which a row is no figure
    of it; over: the variant that it is then held against, instead of the baseline."""

    key: str
    title: str
    about: str
    axes: str
    what: str
    shows: tuple[Show, ...]
    no_gain: str
    kernels: tuple[str, ...]
    lacks: str = ""
    only: str = ""
    over: str = ""


def _of(group: str, names: str) -> tuple[str, ...]:
    return tuple(f"{group}/{name}" for name in names.split())


# The guide's first sentences about its subject.
INTRO = (
    "**Performance** is how fast one request is. **Scalability** is how that holds as load and "
    "hardware grow. They are different things: what makes one request fast (a better algorithm, an "
    "index, a buffer) leaves the service with a limit, and what moves the limit (more cores, more "
    "machines, queues) makes no single request faster, mostly a little slower. Do the first first: "
    "it is cheaper, and everything that is scaled afterwards is scaled from there. "
    "`scenario/fast_then_scalable` shows both: p99 at 2,000 requests per second gains "
    "{scenario/fast_then_scalable/fast/n:64/per_second:2000} from what makes it fast for one user; "
    "at 16,000 that gives {scenario/fast_then_scalable/fast/n:64/per_second:16000}, and sharing "
    "what users wait for {scenario/fast_then_scalable/scalable/n:64/per_second:16000}."
)

# Groups whose kernels are no technique's: the machine's own probes, placebos, differences of known
# size.
EXCLUDED = ("machine", "selfcheck")

TECHNIQUES = (
    Technique(
        "bottlenecks", "Finding the bottleneck", BOTH,
        "all",
        "Time what the request waits for, repair the largest part, and time again. A part that "
        "takes a tenth of the time can give back a tenth at most (Amdahl 1967). The two trees "
        "above find the part of a service; for a single function the question is how far it is "
        "from what the machine can do: `tools/headroom machine` prints the ceilings, "
        "`tools/headroom show latest` the share of them that each variant reaches, "
        "`tools/headroom show latest --counters` misses and instructions per cycle, and "
        "`tools/headroom scale latest` what stops more threads.",
        (
            Show("a bank's transfer mended fault by fault, as a profile asks for it; SQLite, as "
                 "durable",
                 "scenario/bank_transaction/memory/n:1"),
            Show("the same with PostgreSQL", "scenario/pg_bank_transaction/function/n:1"),
            Show("timelines: work moved from the many reads to the few writes",
                 "scenario/timeline_fanout/hybrid/n:16"),
        ),
        "Where the answer is to be had by thinking (a query per row, a file opened per line), "
        "read the code first. A profile shows where the CPU is, not what a sleeping thread waits "
        "for; a mean hides the slow hundredth of the requests. A figure near its ceiling leaves "
        "nothing to gain by the same means: `simd/sum` from DRAM is as fast as the DRAM, whatever "
        "the code. The order matters: a fix gains what the ones before it have left.",
        _of("scenario",
            "bank_transaction pg_bank_transaction timeline_fanout flash_sale flash_sale_load "
            "flash_sale_simulated flash_sale_load_simulated fast_then_scalable"),
    ),
    Technique(
        "algorithms", "Algorithms and data structures", BOTH,
        "scalar, memory-latency",
        "Do fewer steps. The one technique whose gain grows with the data: a better order of "
        "growth wins at some size, and by any factor beyond it. Among structures of the same "
        "order, the one with fewer cache misses and mispredicted branches wins.",
        (
            Show("the largest k: one pass with a threshold instead of a sort",
                 "algorithm/top_k/threshold_scan/n:1048576"),
            Show("a sorted array as a tree of cache lines, over std::lower_bound",
                 "algorithm/lower_bound/s_tree_batched/n:16777216"),
            Show("a hash map with one line per look-up, over std::unordered_map",
                 "algorithm/hash_find_hit/flat_table/n:1000000"),
            Show("sorting with vectors, and no branch on a key",
                 "algorithm/sort/simd_quicksort/n:1000000"),
        ),
        "Small data: constants decide there, and the simple loop is often the fastest. Where the "
        "access pattern does not fit: a sorted vector that is filled one by one reaches "
        "{algorithm/ordered_map_insert/sorted_vector/n:10000} of the speed of a std::map, "
        "galloping {algorithm/set_intersection/galloping/n:65536} of that of a merge where sets "
        "are of similar size, a branchless search beyond the caches "
        "{algorithm/lower_bound_dependent/branchless/n:16777216} of that of one whose branches "
        "the processor predicts.",
        _of("algorithm",
            "deduplicate edit_distance hash_erase_insert hash_find_dependent hash_find_hit "
            "hash_find_miss hash_insert hash_insert_reserved hash_string_keys knapsack "
            "lower_bound lower_bound_dependent ordered_map_find ordered_map_insert "
            "ordered_map_scan primes priority_queue set_intersection shortest_paths sort sort_u64 "
            "substring top_k"),
    ),
    Technique(
        "unnecessary", "Unnecessary computation", PERFORMANCE,
        "scalar",
        "Do not do what changes nothing: work inside a loop that belongs before it, allocations, "
        "copies, exceptions as ordinary answers, parsing what nobody reads, and calls that the "
        "compiler cannot see through.",
        (
            Show("work moved out of a loop, over what one ships",
                 "computation/loop_invariant/table/n:65536", "over_standard"),
            Show("allocations from one block", "computation/allocation/arena/n:32768"),
            Show("a function object that can be inlined", "computation/callable/template/n:131072"),
            Show("a line taken apart by RE2, over std::regex made once",
                 "computation/regex_line/re2/n:256", "over_standard"),
            Show("no copy of a shared pointer per call",
                 "computation/ownership/by_reference/n:65536"),
        ),
        "What the compiler has done already gains nothing: a function pointer in place of "
        "std::function {computation/callable/function_pointer/n:131072}. The dearer of two tests "
        "first loses: {computation/early_exit/dear_first/n:32768}. A general pool need not beat "
        "malloc: {computation/allocation/pmr_pool/n:512}.",
        _of("computation",
            "allocation branch callable callable_filter dispatch early_exit error_path fastrange "
            "format_integer json_sum loop_invariant memoization modulo ownership parse_double "
            "parse_integer regex_line string_append string_split vector_growth"),
    ),
    Technique(
        "layout", "Data layout", PERFORMANCE,
        "cache, memory-bandwidth, memory-latency",
        "Memory comes in lines of 64 bytes: put together what is used together, walk it in its "
        "order, and have several misses under way at once.",
        (
            Show("a vector instead of a list", "layout/list_vector/vector/n:1000000"),
            Show("rows instead of columns of a matrix", "layout/matrix_walk/row_order/n:4096"),
            Show("a field per array instead of an array of structs",
                 "layout/aos_soa_scan/soa/n:1048576"),
            Show("16 chains of pointers at once", "layout/chase_parallel/chains_16/n:67108864"),
        ),
        "Where all of it fits L1 or L2 already: there prefetching gives "
        "{layout/gather/prefetch/n:65536}, sorting the accesses first "
        "{layout/gather/sorted_streamed/n:65536}. Where whole records are used, an array of "
        "structs is right. Packing fields into bits costs more than the bytes it saves unless "
        "SIMD unpacks them: {layout/padding/bit_packed/n:1024} without, "
        "{layout/padding/bit_packed_simd/n:1024} with.",
        _of("layout",
            "alignment aos_soa_scan aos_soa_update chase_parallel gather list_vector matmul "
            "matmul_f64 matrix_walk padding pages pages_first_touch stencil transpose"),
    ),
    Technique(
        "simd", "Vector code", PERFORMANCE,
        "simd",
        "One instruction for 16 to 64 bytes, several chains of them at once, no branch per item. "
        "The other part of what one core can do, and mostly cheaper than a second core.",
        (
            Show("a sum in L1", "simd/sum/highway/n:4096"),
            Show("the next newline", "simd/find_byte/highway/n:16384/input:last"),
            Show("UTF-8 checked", "simd/utf8_validate/highway/n:32768"),
            Show("heads of HTTP requests parsed, over string views",
                 "network/http_parse/highway/n:1024", "over_standard"),
        ),
        "Where memory is the limit: the same sum from DRAM has {simd/sum/highway/n:16777216}. "
        "Where each item goes to a place of its own: a "
        "histogram in four tables, so that counters do not wait for each other, has "
        "{simd/histogram/tables_4/n:16384/input:random}. Where what follows takes a microsecond "
        "per item, and where the compiler has done it.",
        _of("simd",
            "argmin base64_decode base64_encode count_byte crc32 crc32c dot dot_i8 filter "
            "find_byte hex_decode hex_encode histogram mandelbrot min_max_clamp nbody popcount "
            "prefix_sum reverse_bytes saxpy sum to_lower utf8_validate xor_buffer")
        + _of("io", "read_lines")
        + _of("network", "http_parse"),
    ),
    Technique(
        "caching", "Caching", BOTH,
        "cache, memory-latency",
        "Keep what was dear to get and will be asked for again. What counts is the hit ratio: at "
        "90% the slow part is asked a tenth as often, at 99% a hundredth.",
        (
            Show("results of a function kept", "computation/memoization/flat_table/n:131072"),
            Show("a look-up in a bounded cache", "caching/eviction/sets/n:65536"),
            Show("keys that are not there, behind a filter",
                 "caching/negative_lookup/split_block/n:262144"),
            Show("updates written together, as durable", "caching/write_policy/logged_16/n:64"),
        ),
        "Where every request is another one, or data change as often as they are read. Where all "
        "keys are asked for alike, no policy beats another. Where everything fits, a plain map is "
        "faster than any policy. A cache adds a second truth: say how old an answer may be.",
        _of("caching", "eviction hit_ratio negative_lookup write_policy")
        + _of("computation", "memoization")
        + _of("concurrency", "sharded_cache"),
    ),
    Technique(
        "response-caching", "Response caching", BOTH,
        "network",
        "Keep the whole answer to a request, in the program (no round trip) or in a server beside "
        "it (shared by many). With it goes single flight: when an entry expires, one request "
        "computes and the others wait for it.",
        (
            Show("a query's answer kept, as fresh as the query",
                 "caching/memoized_query/versioned/n:1000"),
            Show("PostgreSQL's answers in the program (may be stale)",
                 "caching/cache_aside/near_cache/n:16"),
            Show("Redis's answers in the program (may be stale)",
                 "caching/redis_get/near_cache/n:256"),
            Show("how many times fewer computations when a hot entry expires",
                 "concurrency/stampede/single_flight/n:64"),
        ),
        "A server for the cache saves the query, not the round trip: Redis in front of a look-up "
        "that takes PostgreSQL as long gives {caching/cache_aside/redis/n:16}. Answers that "
        "differ per user, and answers that must be fresh. A cache hides how slow the query is "
        "until it is empty after a restart.",
        _of("caching", "memoized_query cache_aside redis_get")
        + _of("concurrency", "stampede"),
    ),
    Technique(
        "indexes", "Indexes", BOTH,
        "scalar, network",
        "One descent of a tree instead of a look at every row, so that the time hardly grows with "
        "the table. A covering index has all that is asked for; a keyset turns pages without "
        "walking over those before; a summary row is an index for a count.",
        (
            Show("orders of a customer among 100,000, SQLite", "database/lookup/covering/n:100000"),
            Show("the page behind 100,000 others", "database/pagination/keyset/n:100000"),
            Show("a count that is kept", "database/aggregate/trigger/n:10000"),
            Show("rows by key, PostgreSQL", "database/pg_lookup/index/n:32"),
        ),
        "A query that wants a large share of the rows: a scan reads pages in order. Each index is "
        "written with each row. Once there is an index, a covering one may add little "
        "({database/pg_lookup/covering/n:32} against {database/pg_lookup/index/n:32}), and round "
        "trips are what is left (batching). On the first pages a keyset gains nothing.",
        _of("database", "lookup pagination aggregate pg_lookup pg_pagination pg_aggregate"),
    ),
    Technique(
        "batching", "Batching", BOTH,
        "syscall, network, storage-sync",
        "Pay once for many: one round trip, one flush, one system call, one transaction. "
        "Throughput grows with the batch until the fixed cost no longer shows.",
        (
            Show("100 rows in a transaction, SQLite, durable", "database/insert/transaction/n:100"),
            Show("100 rows by COPY, PostgreSQL, durable", "database/pg_insert/copy/n:100"),
            Show("orders and their lines in two queries, PostgreSQL",
                 "database/pg_n_plus_one/any/n:100"),
            Show("256 values in one command, Redis", "caching/redis_get/mget/n:256"),
            Show("64 commits with one flush", "io/commit/group_64/n:64"),
            Show("messages handed to RabbitMQ, durable", "database/broker_publish/packed/n:100"),
        ),
        "One request with nothing to share waits for the batch instead. The first waits for the "
        "last, and one bad item fails all: latency is paid for throughput. With 10 rows one "
        "transaction cannot gain more than about ten: {database/insert/transaction/n:10}. A "
        "pipeline needs requests that do not need each other's answers.",
        _of("database",
            "insert n_plus_one pg_insert pg_n_plus_one pg_group_commit broker_publish "
            "broker_consume redis_stream_add redis_stream_read")
        + _of("io", "commit")
        + _of("caching", "redis_get write_policy")
        + _of("network", "small_writes"),
    ),
    Technique(
        "pooling", "Pooling", BOTH,
        "network, syscall",
        "Keep what is dear to make (connections, threads, prepared statements, memory) and lend "
        "it. A pool is also a limit: it keeps a thousand clients from being a thousand server "
        "processes.",
        (
            Show("PostgreSQL, a pool against a connection per query",
                 "database/pg_connection/pool/n:8"),
            Show("SQLite, a pool against a file opened per query", "database/connection/pool/n:64"),
            Show("HTTP, a connection that is kept", "network/request/keep_alive/n:256"),
            Show("threads that stand ready", "concurrency/thread_per_task/pool/n:256/threads:2"),
        ),
        "One thread needs no pool, only to keep what it has: a prepared statement on a kept "
        "connection is faster than a pool's ({database/connection/prepared/n:64} against "
        "{database/connection/pool/n:64}). PgBouncer is one hop more: "
        "{database/pg_connection/pgbouncer/n:8} against {database/pg_connection/reused/n:8} for a "
        "program that can keep its own. A pool larger than what the server can do at once only "
        "moves the queue there.",
        _of("database", "connection pg_connection")
        + _of("network", "request")
        + _of("concurrency", "thread_per_task")
        + _of("computation", "allocation"),
    ),
    Technique(
        "io", "Buffered and asynchronous I/O", BOTH,
        "syscall, storage-random, storage-sequential, storage-sync",
        "Buffered: a system call for many pieces, not for each. Asynchronous: many reads under "
        "way, since a disk serves them side by side, and computing meanwhile.",
        (
            Show("small writes buffered, over stdio",
                 "io/write_bytes/buffer_64k/n:16384", "over_standard"),
            Show("records read where the page cache has them, over stdio",
                 "io/read_records/mapped/n:16384", "over_standard"),
            Show("128 random reads under way", "io/random_read/uring_128_registered/n:256"),
            Show("reading and computing at once", "io/compute_overlap/uring_8/n:64"),
            Show("durable log lines, flushes shared: p99", "io/log_sink/group/n:100"),
        ),
        "Sorting reads helps a disk with a head, not one without: {io/random_read/sorted/n:256}. "
        "A single chain of reads that need each other is as slow as it is long. What is buffered "
        "is lost in a crash. Overlap gains at most two-fold, where both parts take equally long. "
        "Cold copies all wait for the disk: sendfile gives {io/copy_file_cold/sendfile/n:4194304}.",
        _of("io",
            "commit compute_overlap compute_overlap_random copy_file copy_file_cold log_sink "
            "random_chase random_read read_cold read_lines read_records write_bytes write_lines "
            "write_records"),
    ),
    Technique(
        "protocols", "Protocols", BOTH,
        "network, syscall",
        "Fewer round trips, fewer segments, fewer bytes to encode, and one thread that waits for "
        "many connections. A round trip to another continent takes 100 ms whatever the code does.",
        (
            Show("requests pipelined on one connection", "network/request/pipelined/n:256"),
            Show("the same behind a relay of 1 ms per round trip",
                 "network/request_relay/pipelined/n:16"),
            Show("one write per message", "network/small_writes/writev/n:1"),
            Show("a ring in shared memory instead of TCP", "network/transport/ring/n:128"),
            Show("a fixed layout instead of JSON, over a good JSON encoder",
                 "network/encoding/fixed/n:1024", "over_standard"),
            Show("io_uring instead of a thread per connection",
                 "network/server/uring/n:1024/clients:128"),
        ),
        "TCP_NODELAY has nothing to hasten where a message is one write: "
        "{network/transport/nodelay/n:128}. One request at a time over few connections gains "
        "nothing from an event loop. Encoding does not matter where the message waits for a disk "
        "or an ocean.",
        _of("network",
            "encoding http_parse request request_relay server small_writes transport"),
        "HTTP/2, HTTP/3, TLS and compression have no kernel.",
    ),
    Technique(
        "cpu", "A faster CPU", PERFORMANCE,
        "scalar, simd, cache",
        "A higher clock, wider vectors and larger caches make everything that computes faster, "
        "and nothing that waits. Measure both machines, and look at the axes that your program "
        "leans on: `make compare BASE=@A NEW=@B` ([two cloud "
        "machines](README.md#two-cloud-machines)).",
        (),
        "Axes that wait: storage, network, memory-latency. One generation brings tens of per "
        "cent; better code for the same loop mostly brings more (vector code above). Wider "
        "vectors help only code that uses them.",
        (),
        "No kernel of its own: it is a comparison of two records, and every kernel on the axes "
        "scalar and simd takes part.",
    ),
    Technique(
        "ram", "RAM", BOTH,
        "memory-latency, memory-bandwidth",
        "More: what fits need not be read from the disk again. Faster, or more channels: for data "
        "beyond the caches. Before buying, use what is there: large pages, and several misses at "
        "once.",
        (
            Show("first use of memory with huge pages", "layout/pages_first_touch/huge/n:16777216"),
        ),
        "Data that fit the caches: huge pages give {layout/pages/huge/n:3145728} for 3 MiB. A "
        "second thread gains only the bandwidth that one leaves unused: "
        "{parallel/dot/openmp_simd/n:4194304/threads:2} against "
        "{parallel/dot/simd/n:4194304/threads:2} with one for a dot product from DRAM.",
        _of("layout", "pages pages_first_touch chase_parallel gather"),
        "How much more memory would spare the disk has no kernel: `vmstat 5` and the hit ratio of "
        "your cache tell it (`caching/hit_ratio` shows how hits grow with room).",
    ),
    Technique(
        "ssd", "SSD", BOTH,
        "storage-random, storage-sequential, storage-sync",
        "A random read in 100 us instead of a disk's 10 ms, and many at once. It is only fast for "
        "those who ask for many at once, and flush seldom. Measure both disks with `SCRATCH=` "
        "([new RAM, or a new SSD](README.md#new-ram-or-a-new-ssd)).",
        (
            Show("32 reads under way instead of one", "io/random_read/uring_32/n:256"),
            Show("sequential, past the page cache", "io/read_cold/uring/n:16777216"),
            Show("a log written over in advance", "io/commit/preallocated/n:64"),
        ),
        "Data that the page cache holds. A program that asks for one block at a time gets the "
        "latency, not the throughput. Flushes wait for the drive's own memory: commits per second "
        "may not change.",
        _of("io", "random_read random_chase read_cold commit copy_file_cold"),
    ),
    Technique(
        "gpus", "GPUs", PERFORMANCE,
        "gpu",
        "Thousands of slow threads and ten times the memory bandwidth, behind a bus. They pay "
        "where each byte that travels is worth many operations, or where the data stay on the "
        "device between the steps of a longer computation (`transfer:0` against `transfer:1`).",
        (),
        "Few data: a launch takes as long as tens of thousands of a core's instructions. Few "
        "operations per byte: the way there and back takes longer than all cores need, at any "
        "size (`gpu/saxpy`, `gpu/reduction` and `gpu/histogram` with `transfer:1`). Neighbours "
        "that take different branches wait for each other. Compare with all cores and SIMD, not "
        "with one plain thread.",
        _of("gpu", "offload saxpy reduction matmul mandelbrot histogram"),
        "No GPU was measured for this document. PoCL, which runs the tests on a CPU, says nothing "
        "about a GPU. `make bench FILTER='^(gpu|machine)/'` measures yours, and `tools/headroom "
        "show latest` then says from which size on it pays.",
        "on a GPU", "cores",
    ),
    Technique(
        "clusters", "Clusters (MPI)", SCALABILITY,
        "network",
        "One program on many hosts, for work that one can't hold or is too slow for. Count what a "
        "step waits for: messages one after the other first, then bytes. Send results and not "
        "data, wait once for many messages, compute while they travel, and let no single rank see "
        "everything.",
        (
            Show("32 short messages in one, between two ranks",
                 "cluster/pingpong/aggregated/n:8/ranks:2"),
            Show("edges for four steps at once", "cluster/halo/deep_halo/n:1024/ranks:2"),
            Show("each number straight to the rank that keeps it",
                 "cluster/sample_sort/regular_sampling/n:262144/ranks:2"),
            Show("counts sent instead of the text",
                 "cluster/word_count/combine_tree/n:262144/ranks:2"),
        ),
        "Whatever fits one host and one host is fast enough for. A round trip costs as much as "
        "thousands of additions within a rack, and a million over a millisecond; small problems "
        "get slower with each rank. Of 4,096 numbers on two ranks the library's sum has "
        "{cluster/allreduce/mpi_allreduce/n:4096/ranks:2} over a root's loop. `tools/headroom "
        "scale` compares all with one rank, which has no message to send. The four questions to "
        "ask first are in "
        "[kernels/cluster](kernels/cluster/README.md#when-a-cluster-does-not-pay).",
        _of("cluster", "pingpong allreduce halo sample_sort word_count"),
        "The figures are of two ranks on one host, whose messages go through its memory; no "
        "network was measured for this document. `make bench-cluster NP=16 HOSTS=hostfile` "
        "measures yours.",
    ),
    Technique(
        "scaling-up", "Scaling up", SCALABILITY,
        "cores",
        "One larger machine: more cores, used. Split the work so that no thread waits for "
        "another: equal shares, few meetings, results combined once. The simplest way to scale: "
        "no network, no partial failure.",
        (
            Show("matrix product on two cores", "parallel/matmul/packed_together/n:512/threads:2"),
            Show("unequal rows, handed out as asked for",
                 "parallel/mandelbrot/simd_dynamic/n:256/threads:2"),
            Show("a sort that distributes first", "parallel/sort/distribute/n:1000000/threads:2"),
            Show("a sum in the caches", "parallel/sum/openmp_highway/n:131072/threads:2"),
        ),
        "Amdahl's law: what one thread must do alone stays. Memory bandwidth is shared. A region "
        "costs microseconds: {parallel/region_cost/regions/n:1024/threads:2} with one for each "
        "small step. Tasks smaller than what it takes to make one: "
        "{parallel/quicksort_tasks/tasks/n:65536/threads:2}. Use one core well first: compare "
        "with the best variant of one thread.",
        _of("parallel",
            "dot false_sharing first_touch histogram mandelbrot matmul prefix_sum quicksort_tasks "
            "reduction region_cost saxpy sort stencil sum triangular_loop"),
        "Records of two cores show two points of each curve: `tools/headroom scale latest` on a "
        "machine with more fits the laws.",
    ),
    Technique(
        "contention", "Shared state", SCALABILITY,
        "coherence",
        "A line that several cores write moves between them with each write, so more cores make "
        "it slower. Give each thread its own, and combine when somebody asks; let readers write "
        "nothing; split locks.",
        (
            Show("a counter per thread, two threads",
                 "concurrency/counter/per_thread_padded/n:262144/threads:2"),
            Show("a table that readers only read", "concurrency/snapshot/qsbr/n:65536/threads:2"),
            Show("a map in shards, one line per look-up",
                 "concurrency/map/shards_flat/n:65536/threads:2"),
            Show("a ring between two threads", "concurrency/queue/spsc_batched/n:65536"),
        ),
        "A shared mutex for short reads gives {concurrency/map/shared_mutex/n:65536/threads:2}, "
        "since each reader writes the lock; shards alone "
        "{concurrency/map/shards/n:65536/threads:2}. One hot key is in one shard. A counter that "
        "is read as often as it is written should be shared. With one thread there is nothing to "
        "gain but the locked instructions.",
        _of("concurrency", "counter map queue snapshot backoff sharded_cache")
        + _of("parallel", "false_sharing reduction histogram"),
    ),
    Technique(
        "scaling-out", "Scaling out", SCALABILITY,
        "network",
        "Many machines: no limit by the largest one on sale, and no single one that must not "
        "fail. It needs work or data that can be split (sharding), copied (replication) and "
        "handed out (load balancing).",
        (
            Show("users who overlap share a round trip: p99 at 16,000 requests per second",
                 "scenario/fast_then_scalable/scalable/n:64/per_second:16000"),
        ),
        "One machine is enough, more often than not: make one request fast first. What is on one "
        "machine a function call becomes a round trip, and what was a lock becomes a protocol. A "
        "thousand times the speed by an index is cheaper than a thousand machines.",
        _of("scenario", "fast_then_scalable"),
        "Nothing here was measured on several machines: what they would do is simulated "
        "(load balancing, sharding, replication).",
    ),
    Technique(
        "load-balancing", "Load balancing", SCALABILITY,
        "cores, network",
        "Send each request to a machine that has time for it, so that no queue grows while "
        "another is empty. Hedging is its second chance: ask another machine where the first is "
        "late.",
        (
            Show("the better of two at random: p99, over round robin",
                 "scaling/load_balancer/two_choices/n:500000", "over_standard"),
            Show("the one with the fewest requests: p99, over round robin",
                 "scaling/load_balancer/least_loaded/n:500000", "over_standard"),
            Show("a second try for the latest 5%: p99", "scaling/hedging/hedge_p95/n:500000"),
            Show("the least loaded of 1,000 found without a walk over all",
                 "scaling/load_balancer_decision/bitmaps/n:1000"),
        ),
        "With one server, or far below the limit, all ways are alike. With old news the least "
        "loaded is the worst choice: all requests go to the one that was idle then (input `stale` "
        "of `scaling/load_balancer`; two choices bear it better). Asking everything twice doubles "
        "the load: p99 {scaling/hedging/twice/n:500000}. A balancer is one more hop.",
        _of("scaling", "load_balancer load_balancer_decision hedging"),
        "What is simulated is in units of a service time, and the same on every machine. A "
        "balancer's own network has no kernel.",
    ),
    Technique(
        "sharding", "Sharding", SCALABILITY,
        "storage-sync, coherence",
        "Split the data by key, so that each part has its own writer, lock and disk. The only "
        "technique here that scales writes.",
        (
            Show("eight writers, a file each, durable",
                 "database/sharded_write/shards/n:16/writers:8"),
            Show("eight writers, one file, commits shared, durable",
                 "database/sharded_write/group_commit/n:16/writers:8"),
            Show("a cache in 64 parts with a lock each",
                 "concurrency/sharded_cache/clock_shards/n:65536/threads:2"),
            Show("16 shards by hash, hot keys copied: throughput over one shard",
                 "scaling/sharding/hot_split/n:200000"),
            Show("how many times fewer keys move when a shard is added to 100",
                 "scaling/resharding/jump/n:100"),
            Show("where a key is among 1,000 shards, over a sorted ring",
                 "scaling/shard_lookup/jump_simd/n:1000", "over_standard"),
        ),
        "Before batching: a group commit on one file may gain as much as files for each writer "
        "(see above). A question about all keys asks all shards, a transaction over two is no "
        "longer one, and a hot key stays in one shard: 16 shards give "
        "{scaling/sharding/by_range/n:200000} by ranges of keys and "
        "{scaling/sharding/by_hash/n:200000} by hash, not 16.",
        _of("database", "sharded_write")
        + _of("concurrency", "sharded_cache map")
        + _of("scaling", "sharding resharding shard_lookup"),
    ),
    Technique(
        "replication", "Replication", SCALABILITY,
        "storage-sync, network",
        "Copies of the data: reads go to any of them. It scales reads and survives a failure; "
        "every copy does every write.",
        (
            Show("readers beside a writer, SQLite",
                 "database/replica_read/wal_readers/n:256/threads:2"),
            Show("seven replicas: p99 (weaker promise: stale by a message)",
                 "scaling/replication/replicas_8/n:500000"),
            Show("two of three nodes, never stale: p99", "scaling/replication/quorum_3/n:500000"),
        ),
        "Writes: they become dearer with each copy. A reader may see an old state unless it asks "
        "the one that was written to, or a majority. Readers with connections of their own wait "
        "for the writer all the same without a write-ahead log: "
        "{database/replica_read/own_connections/n:256/threads:2}.",
        _of("database", "replica_read")
        + _of("concurrency", "snapshot")
        + _of("scaling", "replication"),
    ),
    Technique(
        "queues", "Background work and queues", BOTH,
        "cores, storage-sync",
        "Answer first, and do later what the reply does not show (receipts, mails, statistics, "
        "log lines). The queue takes bursts, and workers can be added without the clients "
        "noticing.",
        (
            Show("receipts after the reply: p99 (weaker promise)",
                 "concurrency/async_request/queue/n:64"),
            Show("log lines written in the background: p99 (weaker promise)",
                 "io/log_sink/queue/n:100"),
            Show("messages taken ahead, RabbitMQ", "database/broker_consume/ack_many/n:100"),
            Show("as many workers as the jobs that came lately need: p99",
                 "scaling/work_queue/by_rate/n:500000"),
        ),
        "The work is not less. Where workers are slower than requests come, a bounded queue fills "
        "and the wait is back; an unbounded one fills the memory. Whoever reads right after the "
        "reply may not see the result. At least once means that some work comes twice.",
        _of("concurrency", "async_request queue thread_per_task")
        + _of("io", "log_sink")
        + _of("scaling", "work_queue")
        + _of("scenario", "flash_sale")
        + _of("database", "broker_publish broker_consume redis_stream_add redis_stream_read"),
    ),
    Technique(
        "admission", "Admission control", SCALABILITY,
        "cores",
        "Beyond its capacity a service can answer some in time or all too late. Bound the queue, "
        "and turn away at once what would wait too long; clients wait longer after each refusal.",
        (
            Show("requests answered in time at twice the capacity (weaker promise: some are "
                 "refused)",
                 "concurrency/admission/adaptive_lifo/n:64"),
            Show("the load that a shop bears within its limit, by a queue and workers",
                 "scenario/flash_sale_load_simulated/workers/n:20000"),
            Show("waiting longer after each failed try, over std::mutex",
                 "concurrency/backoff/exponential/n:4096/threads:2", "over_standard"),
        ),
        "Without overload it changes nothing. It adds no capacity: if the load stays, scale. "
        "Clients that come back at once make it worse.",
        _of("concurrency", "admission backoff")
        + _of("scenario", "flash_sale flash_sale_load"),
    ),
    Technique(
        "edge-caching", "Edge caching", BOTH,
        "network",
        "Copies near the users: the round trip becomes short, and the origin sees only what "
        "misses.",
        (
            Show("each edge keeps what its own clients asked for: p99 (may be stale by 5 s)",
                 "scaling/edge_cache/nearest_edge/n:1000000"),
            Show("an object has one edge, so that all have room for ten times as much: p99",
                 "scaling/edge_cache/hashed_edges/n:1000000"),
            Show("and a miss that is under way is waited for, not asked for again: p99",
                 "scaling/edge_cache/collapsed/n:1000000"),
        ),
        "Answers that differ per user, writes, and content that nobody asks for twice from the "
        "same place.",
        _of("scaling", "edge_cache"),
        "It is simulated: no distance was travelled.",
    ),
)  # fmt: skip

BY_KEY = {one.key: one for one in TECHNIQUES}
