//! Keys are placed as libmemcached's published clients place them, and stay where they are when servers come and go.
//!
//! The expected placements were given by pylibmc 1.6.3 over libmemcached 1.1.4 (and 1.0.16, which agrees).

use memlet_core::placement::{
    Ketama, OneAtATime, PlacementError, Point, Server, jump, jump_key, unweighted_points,
};
use proptest::prelude::*;

const NAMES: [(&str, u16); 5] = [
    ("10.0.0.1", 11211),
    ("10.0.0.2", 11211),
    ("10.0.0.3", 11212),
    ("cache-four.example", 11211),
    ("::1", 11311),
];

fn servers(weights: [u32; 5]) -> Vec<Server<'static>> {
    let pairs = NAMES.iter().zip(weights);
    pairs
        .map(|(&(host, port), weight)| Server { host, port, weight })
        .collect()
}

/// Twenty-two keys: short, long, without characters, and with bytes that C takes for negative numbers.
fn golden_keys() -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = (0..16)
        .map(|number| format!("key:{number}").into())
        .collect();
    keys.extend([
        b"".to_vec(),
        b"a".to_vec(),
        b"user:17".to_vec(),
        vec![b'x'; 250],
    ]);
    keys.extend(["ключ".into(), "\0ÿ".into()]);
    keys
}

/// Room for the points of a pool, and a little more, which must not matter.
fn room(points: usize) -> Vec<Point> {
    vec![Point::default(); points + 7]
}

fn unweighted(servers: &[Server<'_>]) -> Ketama<Vec<Point>, OneAtATime> {
    Ketama::unweighted(servers, room(unweighted_points(servers.len()))).unwrap()
}

fn placements(locate: impl Fn(&[u8]) -> usize) -> Vec<usize> {
    golden_keys().iter().map(|key| locate(key)).collect()
}

#[test]
fn unweighted_ketama_places_keys_where_pylibmc_does() {
    let ring = unweighted(&servers([1; 5]));
    assert_eq!(
        placements(|key| ring.locate(key)),
        [
            3, 0, 1, 0, 3, 3, 2, 4, 0, 2, 3, 0, 4, 0, 2, 1, 1, 0, 1, 1, 4, 2
        ]
    );
}

#[cfg(feature = "md5")]
mod md5 {
    use super::*;
    use memlet_core::placement::{Md5, weighted_points};

    fn weighted(weights: [u32; 5]) -> Ketama<Vec<Point>, Md5> {
        let servers = servers(weights);
        Ketama::weighted(&servers, room(weighted_points(&servers))).unwrap()
    }

    #[test]
    fn weighted_ketama_places_keys_where_pylibmc_does() {
        for (weights, expected) in [
            (
                [1; 5],
                [
                    1, 1, 4, 4, 3, 2, 3, 4, 4, 0, 1, 3, 4, 2, 3, 1, 1, 1, 1, 2, 0, 4,
                ],
            ),
            (
                [1, 2, 3, 4, 5],
                [
                    1, 1, 4, 4, 3, 2, 3, 4, 4, 4, 4, 3, 4, 2, 3, 4, 1, 1, 2, 3, 4, 4,
                ],
            ),
            (
                [3, 7, 1, 100, 13],
                [
                    1, 1, 3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3,
                ],
            ),
        ] {
            let ring = weighted(weights);
            assert_eq!(placements(|key| ring.locate(key)), expected, "{weights:?}");
        }
    }

    #[test]
    fn weights_beside_the_default_hash_place_keys_where_pylibmc_does() {
        let servers = servers([1, 2, 3, 4, 5]);
        let points = room(weighted_points(&servers));
        let ring: Ketama<_, OneAtATime> = Ketama::weighted_with_hash(&servers, points).unwrap();
        assert_eq!(
            placements(|key| ring.locate(key)),
            [
                3, 1, 2, 4, 4, 3, 2, 1, 3, 4, 4, 3, 4, 3, 3, 0, 4, 2, 3, 1, 4, 2
            ]
        );
    }

    #[test]
    fn unweighted_ketama_by_md5_places_keys_where_pylibmc_does() {
        let ring: Ketama<_, Md5> = Ketama::with_hash(&servers([1; 5]), room(500)).unwrap();
        assert_eq!(
            placements(|key| ring.locate(key)),
            [
                1, 4, 1, 2, 3, 4, 4, 3, 4, 4, 4, 4, 3, 0, 1, 2, 3, 1, 2, 0, 2, 4
            ]
        );
    }

    #[test]
    fn points_follow_the_weights() {
        let counts = |weights| {
            (0..5)
                .map(|index| weighted(weights).points_of(index))
                .collect::<Vec<_>>()
        };
        assert_eq!(counts([1; 5]), [160; 5]);
        assert_eq!(
            counts([0, 1, 0, 1, 0]),
            [160; 5],
            "a weight of 0 counts as 1"
        );
        assert_eq!(counts([1, 2, 3, 4, 5]), [52, 104, 160, 212, 264]);
        assert_eq!(counts([1, 1, 1, 1, u32::MAX]), [0, 0, 0, 0, 800]);
    }

    proptest! {
        #[test]
        fn without_a_weighted_server_only_its_keys_move(
            weights in any::<[u8; 5]>(),
            gone in 0..5_usize,
            keys in proptest::collection::vec(any::<Vec<u8>>(), 200),
        ) {
            let ring = weighted(weights.map(u32::from));
            for key in &keys {
                let before = ring.locate(key);
                let after = ring.locate_where(key, |server| server != gone).unwrap();
                prop_assert!(after != gone);
                prop_assert!(before == gone || before == after);
            }
        }
    }
}

proptest! {
    #[test]
    fn without_a_server_only_its_keys_move(gone in 0..5_usize, keys in proptest::collection::vec(any::<Vec<u8>>(), 200)) {
        let all = servers([1; 5]);
        let ring = unweighted(&all);
        let mut rest = all.clone();
        rest.remove(gone);
        let smaller = unweighted(&rest);
        for key in &keys {
            let before = ring.locate(key);
            let after = smaller.locate(key);
            let after = after + usize::from(after >= gone);
            prop_assert!(before == gone || before == after);
            // Leaving a server out gives the same as making a ring without it.
            prop_assert_eq!(ring.locate_where(key, |server| server != gone), Some(after));
        }
    }

    #[test]
    fn with_one_more_server_jumped_keys_stay_or_go_there(key in any::<u64>(), servers in 1..5000_u32) {
        let (before, after) = (jump(key, servers), jump(key, servers + 1));
        prop_assert!(before < servers);
        prop_assert!(after == before || after == servers);
    }
}

#[test]
fn no_server_and_too_little_room_are_errors() {
    let none = Ketama::unweighted(&[], room(100)).unwrap_err();
    assert_eq!(none, PlacementError::NoServers);
    let servers = servers([1; 5]);
    let mut points = [Point::default(); 499];
    let short = Ketama::unweighted(&servers, &mut points[..]).unwrap_err();
    assert_eq!(
        short.to_string(),
        "too few points: the servers take 500, there is room for 499"
    );
}

#[test]
fn no_server_holds_a_key_when_all_are_out() {
    let ring = unweighted(&servers([1; 5]));
    assert_eq!(ring.locate_where(b"key", |_| false), None);
    assert_eq!(ring.locate_where(b"key", |server| server == 4), Some(4));
}

/// The values that implementations of the paper in other languages test against.
#[test]
fn jump_gives_the_published_values() {
    for (key, servers, expected) in [
        (1, 1, 0),
        (42, 57, 43),
        (0xdead_10cc, 1, 0),
        (0xdead_10cc, 666, 361),
        (256, 1024, 520),
        (0, 0, 0),
    ] {
        assert_eq!(jump(key, servers), expected, "{key} among {servers}");
    }
    assert!(jump(u64::MAX, u32::MAX) < u32::MAX);
}

#[test]
fn jumped_keys_spread_evenly() {
    let mut counts = [0_i32; 5];
    for number in 0..10_000 {
        let server = jump(jump_key(format!("key:{number}").as_bytes()), 5);
        counts[server as usize] += 1;
    }
    // Five standard deviations of 40 each.
    assert!(
        counts.iter().all(|count| (count - 2000).abs() < 200),
        "{counts:?}"
    );
}

#[test]
fn the_number_of_a_key_does_not_change() {
    // Other clients may have stored by it.
    assert_eq!(jump_key(b""), 0xefd0_1f60_ba99_2926);
    assert_eq!(jump_key(b"a"), 0x82a2_a958_a9be_ce5b);
}
