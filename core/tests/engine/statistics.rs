//! STAT, and what counts where.

use crate::support::{
    Cache, NOW, Wire, bytes, counting, engine, joining, noop, storing, touching, with_key,
};
use memlet_core::connection::ConnectionOptions;
use memlet_core::engine::{
    Engine, EngineSettings, Figures, Host, HostFigures, HostSettings, NoCredentials, StatGroups,
    Statistics,
};
use memlet_core::wire::{Opcode, Request, Status};

fn names(values: &[(String, String)]) -> Vec<&str> {
    values.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn the_general_group_has_what_monitoring_reads_in_memcacheds_order() {
    let mut cache = Cache::new();
    let values = cache.stat(b"");
    let names = names(&values);
    let wanted = "pid uptime time version pointer_size rusage_user rusage_system max_connections curr_connections \
        total_connections rejected_connections connection_structures cmd_get cmd_set cmd_flush cmd_touch get_hits \
        get_misses delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits \
        cas_badval touch_hits touch_misses auth_cmds auth_errors bytes_read bytes_written limit_maxbytes threads \
        bytes curr_items total_items evictions reclaimed";
    let mut rest = names.iter();
    for name in wanted.split_whitespace() {
        assert!(
            rest.any(|found| *found == name),
            "{name} is missing or out of order in {names:?}"
        );
    }
    for (name, value) in &values {
        let numeric = value.parse::<f64>().is_ok();
        assert!(numeric || name == "version", "{name} {value}");
    }
    let value = |name: &str| {
        values
            .iter()
            .find(|(found, _)| found == name)
            .unwrap()
            .1
            .as_str()
    };
    assert_eq!(value("time"), NOW.to_string());
    assert_eq!(value("rusage_user"), "0.000000");
    assert_eq!(value("limit_maxbytes"), (16 << 20).to_string());
}

#[test]
fn every_packet_has_the_requests_opaque_and_the_last_is_empty() {
    let mut cache = Cache::new();
    let answers = cache.ask(&bytes(&Request {
        opaque: 0xfeed,
        ..Request::new(Opcode::STAT)
    }));
    assert!(answers.iter().all(|answer| {
        (
            answer.opcode,
            answer.status,
            answer.opaque,
            answer.cas,
            answer.extras.len(),
        ) == (Opcode::STAT, Status::SUCCESS, 0xfeed, 0, 0)
    }));
    let (last, others) = answers.split_last().unwrap();
    assert!(last.key.is_empty() && last.value.is_empty());
    assert!(others.iter().all(|answer| !answer.key.is_empty()));
}

#[test]
fn settings_show_what_the_binary_tests_of_memcached_look_for() {
    let mut cache = Cache::new();
    let settings = cache.stat(b"settings");
    for (name, value) in [
        ("domain_socket", "NULL"),
        ("evictions", "on"),
        ("cas_enabled", "yes"),
        ("flush_enabled", "yes"),
        ("auth_enabled_sasl", "no"),
        ("item_size_max", "1048576"),
        ("maxbytes", "16777216"),
        ("udpport", "0"),
    ] {
        assert!(settings.contains(&(name.into(), value.into())), "{name}");
    }
    assert_eq!(cache.stat(b"settingsXYZ"), settings, "known by its start");
}

#[test]
fn other_groups() {
    let mut cache = Cache::new();
    assert_eq!(cache.stat(b"items"), []);
    cache.set(b"k", b"v");
    assert!(
        cache
            .stat(b"items")
            .contains(&("items:1:number".into(), "1".into()))
    );
    assert_eq!(
        names(&cache.stat(b"slabs")),
        ["active_slabs", "total_malloced"]
    );
    assert_eq!(
        cache.stat(b"sizes"),
        [("sizes_status".into(), "disabled".into())]
    );
    assert_eq!(cache.stat(b"detail on"), []);
    assert_eq!(
        cache.stat(b"detail dump"),
        [("detailed".into(), "END\r\n".into())]
    );
    assert_eq!(cache.stat(b"detail off"), []);
}

#[test]
fn an_unknown_group_is_one_error_without_a_terminator() {
    let mut cache = Cache::new();
    for group in [
        "unknown",
        "conns",
        "cachedump",
        "itemsX",
        "slabsX",
        "sizesX",
        "detail",
        "detail x",
        "rese",
        "Settings",
    ] {
        let answer = cache.one(&bytes(&with_key(Opcode::STAT, group.as_bytes())));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (Status::KEY_ENOENT, "Not found"),
            "{group}"
        );
    }
}

#[test]
fn reset_clears_the_counters_but_not_the_items() {
    let mut cache = Cache::new();
    cache.set(b"k", b"v");
    cache.get(b"k");
    assert_eq!(cache.stat(b"resetXYZ"), []);
    assert_eq!((cache.figure("get_hits"), cache.figure("cmd_set")), (0, 0));
    assert_eq!(
        (cache.figure("curr_items"), cache.figure("total_items")),
        (1, 0)
    );
    assert!(cache.get(b"k").is_some());
}

/// Sends requests and compares how far they raise the counters named.
#[track_caller]
fn raises(cache: &mut Cache, requests: &[Vec<u8>], expected: &[(&str, u64)]) {
    cache.stat(b"reset");
    cache.ask(&requests.concat());
    let counted = "cmd_get cmd_set cmd_flush cmd_touch get_hits get_misses delete_misses delete_hits incr_misses \
        incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses store_too_large";
    let values = cache.stat(b"");
    for name in counted.split_whitespace() {
        let value = &values.iter().find(|(found, _)| found == name).unwrap().1;
        let wanted = expected
            .iter()
            .find(|(found, _)| *found == name)
            .map_or(0, |(_, wanted)| *wanted);
        assert_eq!(*value, wanted.to_string(), "{name}");
    }
}

#[test]
fn what_counts_where() {
    let mut cache = Cache::new();
    let gets = |key: &[u8]| -> Vec<Vec<u8>> {
        let opcodes = [Opcode::GET, Opcode::GETQ, Opcode::GETK, Opcode::GETKQ];
        opcodes
            .iter()
            .map(|&opcode| bytes(&with_key(opcode, key)))
            .collect()
    };
    let touches = |key: &[u8]| -> Vec<Vec<u8>> {
        let opcodes = [
            Opcode::TOUCH,
            Opcode::GAT,
            Opcode::GATQ,
            Opcode::GATK,
            Opcode::GATKQ,
        ];
        opcodes
            .iter()
            .map(|&opcode| touching(opcode, key, 0))
            .collect()
    };
    raises(
        &mut cache,
        &gets(b"k"),
        &[("cmd_get", 4), ("get_misses", 4)],
    );
    raises(
        &mut cache,
        &touches(b"k"),
        &[("cmd_touch", 5), ("touch_misses", 5)],
    );
    let stores = [
        storing(Opcode::REPLACE, b"k", b"1", 0, 0, 0),
        joining(Opcode::APPEND, b"k", b"1", 0),
        storing(Opcode::ADDQ, b"k", b"1", 0, 0, 0),
        storing(Opcode::ADD, b"k", b"1", 0, 0, 0),
        storing(Opcode::SETQ, b"k", b"1", 0, 0, 0),
        joining(Opcode::PREPENDQ, b"k", b"1", 0),
    ];
    raises(&mut cache, &stores, &[("cmd_set", 6)]);
    raises(&mut cache, &gets(b"k"), &[("cmd_get", 4), ("get_hits", 4)]);
    raises(
        &mut cache,
        &touches(b"k"),
        &[("cmd_touch", 5), ("touch_hits", 5)],
    );
    let cas = cache.item(b"k").cas;
    let with_cas = [
        storing(Opcode::SET, b"none", b"", 0, 0, 1),
        storing(Opcode::ADD, b"none", b"", 0, 0, 1),
        storing(Opcode::REPLACE, b"k", b"", 0, 0, cas + 1),
        storing(Opcode::SET, b"k", b"1", 0, 0, cas),
        joining(Opcode::APPEND, b"k", b"1", 1),
    ];
    raises(
        &mut cache,
        &with_cas,
        &[
            ("cmd_set", 5),
            ("cas_misses", 2),
            ("cas_badval", 1),
            ("cas_hits", 1),
        ],
    );
}

#[test]
fn what_counts_where_beside_gets_and_stores() {
    let mut cache = Cache::new();
    cache.set(b"k", b"1");
    let counters = [
        counting(Opcode::INCREMENT, b"none", 1, 0, u32::MAX, 0),
        counting(Opcode::DECREMENTQ, b"none", 1, 0, u32::MAX, 0),
        counting(Opcode::INCREMENT, b"created", 1, 0, 0, 0),
        counting(Opcode::INCREMENTQ, b"created", 1, 0, 0, 0),
        counting(Opcode::DECREMENT, b"created", 1, 0, 0, 0),
        counting(Opcode::DECREMENT, b"created", 1, 0, 0, 1),
    ];
    let expected = [
        ("incr_misses", 1),
        ("decr_misses", 1),
        ("incr_hits", 1),
        ("decr_hits", 1),
    ];
    raises(&mut cache, &counters, &expected);
    let deletes = [
        bytes(&with_key(Opcode::DELETE, b"none")),
        bytes(&with_key(Opcode::DELETEQ, b"none")),
        bytes(&Request {
            cas: 1,
            ..with_key(Opcode::DELETE, b"k")
        }),
        bytes(&with_key(Opcode::DELETE, b"k")),
    ];
    raises(
        &mut cache,
        &deletes,
        &[("delete_misses", 2), ("delete_hits", 1)],
    );
    let flushes = [
        bytes(&Request::new(Opcode::FLUSH)),
        bytes(&Request::new(Opcode::FLUSHQ)),
    ];
    raises(&mut cache, &flushes, &[("cmd_flush", 2)]);
    let large = vec![0; 1 << 20];
    raises(
        &mut cache,
        &[storing(Opcode::SET, b"k", &large, 0, 0, 0)],
        &[("store_too_large", 1)],
    );
}

#[test]
fn a_number_that_fits_where_the_old_one_lies_is_no_new_item() {
    let mut cache = Cache::new();
    cache.set(b"k", b"10");
    let mut long = vec![b' '; 200];
    long[0] = b'7';
    cache.set(b"long", &long);
    let mut count = |opcode, key: &[u8], delta| {
        cache.one(&counting(opcode, key, delta, 5, 0, 0));
        cache.figure("total_items")
    };
    let (up, down) = (Opcode::INCREMENT, Opcode::DECREMENT);
    assert_eq!(count(up, b"k", 1), 2, "of the same length");
    assert_eq!(count(up, b"k", 1000), 3, "longer");
    assert_eq!(count(down, b"k", 1000), 3, "shorter, with blanks");
    assert_eq!(count(up, b"new", 1), 4, "created");
    assert_eq!(count(up, b"long", 1), 4, "in a long text");
}

#[test]
fn traffic_is_counted() {
    let mut cache = Cache::new();
    cache.ask(&noop(1));
    cache.ask(&noop(1));
    let statistics = cache.engine.statistics();
    assert_eq!((statistics.bytes_read, statistics.bytes_written), (48, 48));
}

#[test]
fn a_retried_get_is_counted_once() {
    let mut cache = Cache::new();
    cache.set(b"k", &[1; 5000]);
    cache.wire.output_len = 96;
    assert_eq!(cache.get(b"k").unwrap().len(), 5000);
    assert_eq!(cache.engine.statistics().get_hits, 1);
    let missing = [b'm'; 250];
    assert_eq!(
        cache.one(&bytes(&with_key(Opcode::GETK, &missing))).key,
        missing
    );
    assert_eq!(cache.engine.statistics().get_misses, 1);
}

/// Peers' users keep running into it: without the empty packet at the end a client waits for ever.
#[test]
fn a_small_output_gets_every_statistic_and_the_terminator() {
    let ask = |group: &[u8], output_len: usize| {
        let mut engine = engine();
        let mut wire = Wire::new(ConnectionOptions::for_buffers(512, 512), output_len);
        wire.send(&mut engine, &storing(Opcode::SET, b"k", b"v", 0, 0, 0));
        let mut answers = wire.ask(&mut engine, &bytes(&with_key(Opcode::STAT, group)));
        assert!(wire.connection.is_between_requests());
        // What is written so far is counted when the output is full, so it is another number here.
        answers.retain(|answer| answer.key != b"bytes_written");
        answers
    };
    for group in [&b""[..], b"settings", b"items"] {
        let whole = ask(group, 8192);
        assert!(whole.last().is_some_and(|answer| answer.key.is_empty()));
        for output_len in [96, 97, 100, 128, 200, 201, 512] {
            assert!(ask(group, output_len) == whole, "{output_len}");
        }
    }
}

/// A process with several engines, as its host sees it.
struct Process {
    others: Statistics,
    baseline: Statistics,
}

impl Host for Process {
    fn totals(&self, own: &Statistics) -> Option<Statistics> {
        let mut sum = *own;
        sum.add(&self.others);
        sum.subtract(&self.baseline);
        Some(sum)
    }

    fn reset(&mut self, own: &mut Statistics) {
        self.baseline = *own;
        self.baseline.add(&self.others);
    }

    fn started(&self) -> u32 {
        NOW - 5
    }

    fn figures(&self) -> HostFigures {
        HostFigures {
            pid: 4711,
            rusage_user_us: 12_000_345,
            curr_connections: 3,
            ..HostFigures::default()
        }
    }

    fn settings(&self) -> HostSettings<'_> {
        HostSettings {
            maxconns: 1024,
            inter: Some("127.0.0.1"),
            num_threads: 4,
            ..HostSettings::default()
        }
    }
}

#[test]
fn a_host_sums_up_and_resets_all_engines() {
    let others = Statistics {
        get_hits: 10,
        cmd_set: 3,
        ..Statistics::default()
    };
    let host = Process {
        others,
        baseline: Statistics::default(),
    };
    let settings = EngineSettings {
        version: "9.9.9",
        ..EngineSettings::default()
    };
    let mut cache = Cache::of(Engine::with(
        crate::support::store(1 << 20),
        settings,
        host,
        NoCredentials,
    ));
    cache.set(b"k", b"v");
    assert_eq!((cache.figure("get_hits"), cache.figure("cmd_set")), (10, 4));
    cache.stat(b"reset");
    assert_eq!((cache.figure("get_hits"), cache.figure("cmd_set")), (0, 0));
    cache.engine.host_mut().others.get_hits += 2;
    cache.get(b"k");
    assert_eq!(cache.figure("get_hits"), 3);
    assert_eq!(
        (
            cache.figure("pid"),
            cache.figure("uptime"),
            cache.figure("threads")
        ),
        (4711, 5, 4)
    );
    let general = cache.stat(b"");
    assert!(general.contains(&("rusage_user".into(), "12.000345".into())));
    assert!(general.contains(&("version".into(), "9.9.9".into())));
    assert!(
        cache
            .stat(b"settings")
            .contains(&("inter".into(), "127.0.0.1".into()))
    );
}

/// A device that answers plain `stat` alone, or with it what the number of its type says.
struct Device<const GROUP: usize>;

/// The groups that a device may leave out, and a key that asks for each; none asks for that of plain `stat`.
const GROUPS: [(StatGroups, &[u8]); 7] = [
    (StatGroups::NONE, b""),
    (StatGroups::SETTINGS, b"settings"),
    (StatGroups::ITEMS, b"items"),
    (StatGroups::SLABS, b"slabs"),
    (StatGroups::SIZES, b"sizes"),
    (StatGroups::DETAIL, b"detail dump"),
    (StatGroups::RESET, b"reset"),
];

impl<const GROUP: usize> Host for Device<GROUP> {
    const STAT_GROUPS: StatGroups = GROUPS[GROUP].0;

    fn figures(&self) -> HostFigures {
        HostFigures {
            curr_connections: 2,
            ..HostFigures::default()
        }
    }

    fn own_figures(&self, figures: &mut Figures<'_, '_>) {
        figures.number("stack_high_water", 1234);
        figures.text("link", "up");
    }
}

fn device<const GROUP: usize>() -> Engine<crate::support::HeapStore, Device<GROUP>> {
    let settings = EngineSettings::default();
    Engine::with(
        crate::support::store(1 << 20),
        settings,
        Device,
        NoCredentials,
    )
}

#[test]
fn figures_of_the_hosts_own_come_last_in_the_general_group() {
    let mut cache = Cache::of(device::<0>());
    cache.set(b"k", b"v");
    let values = cache.stat(b"");
    let own = [
        ("stack_high_water".to_owned(), "1234".to_owned()),
        ("link".to_owned(), "up".to_owned()),
    ];
    assert!(values.ends_with(&own), "{values:?}");
    for (name, value) in [("curr_items", 1), ("curr_connections", 2), ("cmd_set", 1)] {
        assert_eq!(cache.figure(name), value, "{name}");
    }
}

#[test]
fn a_device_leaves_out_what_only_processes_have() {
    let whole = Cache::new().stat(b"");
    let general = Cache::of(device::<0>()).stat(b"");
    let left_out = [
        "pid",
        "pointer_size",
        "rusage_user",
        "rusage_system",
        "connection_structures",
        "cmd_meta",
        "accepting_conns",
        "listen_disabled_num",
        "time_in_listen_disabled_us",
        "threads",
        "conn_yields",
    ];
    let mut expected = names(&whole);
    expected.retain(|name| !left_out.contains(name));
    assert_eq!(expected.len(), whole.len() - left_out.len());
    expected.extend(["stack_high_water", "link"]);
    assert_eq!(names(&general), expected);
}

/// The statuses and texts of the answers to a request for every group, in their order.
fn ask_for_groups<const GROUP: usize>() -> Vec<(Status, String)> {
    GROUPS
        .iter()
        .map(|(_, key)| {
            let mut cache = Cache::of(device::<GROUP>());
            cache.set(b"k", b"v");
            let answers = cache.ask(&bytes(&with_key(Opcode::STAT, key)));
            (answers[0].status, answers[0].text())
        })
        .collect()
}

#[test]
fn a_group_that_is_left_out_is_answered_like_an_unknown_one() {
    let answers = [
        ask_for_groups::<0>(),
        ask_for_groups::<1>(),
        ask_for_groups::<2>(),
        ask_for_groups::<3>(),
        ask_for_groups::<4>(),
        ask_for_groups::<5>(),
        ask_for_groups::<6>(),
    ];
    for (built, answers) in answers.iter().enumerate() {
        for (asked, (status, text)) in answers.iter().enumerate() {
            if asked == 0 || asked == built {
                assert_eq!(*status, Status::SUCCESS, "{asked} of {built}");
            } else {
                let unknown = (Status::KEY_ENOENT, "Not found");
                assert_eq!((*status, text.as_str()), unknown, "{asked} of {built}");
            }
        }
    }
}

#[test]
fn a_small_output_gets_the_hosts_own_figures_and_the_terminator() {
    let ask = |output_len: usize| {
        let mut engine = device::<0>();
        let mut wire = Wire::new(ConnectionOptions::for_buffers(512, 512), output_len);
        let mut answers = wire.ask(&mut engine, &bytes(&Request::new(Opcode::STAT)));
        assert!(wire.connection.is_between_requests());
        answers.retain(|answer| answer.key != b"bytes_written");
        answers
    };
    let whole = ask(8192);
    assert!(whole.last().is_some_and(|answer| answer.key.is_empty()));
    for output_len in [96, 97, 100, 128, 200] {
        assert!(ask(output_len) == whole, "{output_len}");
    }
}
