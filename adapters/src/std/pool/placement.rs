//! Which server of a pool holds a key, by the distribution that the clients of the pool have agreed on.

use memlet_core::placement::{
    Ketama, KeyHash, Md5, OneAtATime, PlacementError, Point, Server, jump, jump_key,
    unweighted_points, weighted_points,
};

use super::PoolServer;

/// How keys are spread over servers: all clients of a pool have to do it alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distribution {
    /// As pylibmc with `behaviors={"ketama": True}`, and others on libmemcached: weighted if a weight is above 1.
    #[default]
    Ketama,
    /// As pylibmc with `behaviors={"ketama": True, "hash": "md5"}`.
    KetamaMd5,
    /// As pylibmc with `behaviors={"ketama_weighted": True}`.
    KetamaWeighted,
    /// Jump hash, by the order of the servers alone: even, but no server except the last can be taken away for good
    /// without moving keys of others.
    Jump,
}

/// The places of keys over the servers of a pool.
#[derive(Clone, Debug)]
pub struct Placement(Places);

#[derive(Clone, Debug)]
enum Places {
    OneAtATime(Ketama<Vec<Point>, OneAtATime>),
    Md5(Ketama<Vec<Point>, Md5>),
    Jump(u32),
}

impl Placement {
    /// Computes the places.
    ///
    /// # Errors
    /// No servers.
    pub fn new(
        servers: &[PoolServer],
        distribution: Distribution,
    ) -> Result<Placement, PlacementError> {
        let placed: Vec<Server<'_>> = servers.iter().map(PoolServer::placed).collect();
        let is_weighted = servers.iter().any(|server| server.weight > 1);
        Ok(Placement(match distribution {
            Distribution::Ketama => Places::OneAtATime(ring(&placed, is_weighted)?),
            Distribution::KetamaMd5 => Places::Md5(ring(&placed, is_weighted)?),
            Distribution::KetamaWeighted => Places::Md5(ring(&placed, true)?),
            Distribution::Jump if servers.is_empty() => return Err(PlacementError::NoServers),
            Distribution::Jump => Places::Jump(u32::try_from(servers.len()).unwrap_or(u32::MAX)),
        }))
    }

    /// The index of the server that holds `key`.
    #[must_use]
    pub fn locate(&self, key: &[u8]) -> usize {
        match &self.0 {
            Places::OneAtATime(ring) => ring.locate(key),
            Places::Md5(ring) => ring.locate(key),
            Places::Jump(count) => jump(jump_key(key), *count) as usize,
        }
    }

    /// The index of the server that holds `key` when only those count for which `is_in` says so; `None` when it does so
    /// for none. Keys of the servers that count stay where they are.
    pub fn locate_where(&self, key: &[u8], is_in: impl FnMut(usize) -> bool) -> Option<usize> {
        match &self.0 {
            Places::OneAtATime(ring) => ring.locate_where(key, is_in),
            Places::Md5(ring) => ring.locate_where(key, is_in),
            Places::Jump(count) => jump_where(key, *count, is_in),
        }
    }
}

fn ring<H: KeyHash>(
    servers: &[Server<'_>],
    is_weighted: bool,
) -> Result<Ketama<Vec<Point>, H>, PlacementError> {
    if is_weighted {
        let points = vec![Point::default(); weighted_points(servers)];
        Ketama::weighted_with_hash(servers, points)
    } else {
        let points = vec![Point::default(); unweighted_points(servers.len())];
        Ketama::with_hash(servers, points)
    }
}

/// Jumps again from another number as long as the server does not count; after some jumps the next in line has to do.
fn jump_where(key: &[u8], count: u32, mut is_in: impl FnMut(usize) -> bool) -> Option<usize> {
    let first = jump_key(key);
    for attempt in 0..JUMPS_MAX {
        let number = first.wrapping_add(attempt.wrapping_mul(ANOTHER));
        let server = jump(number, count) as usize;
        if is_in(server) {
            return Some(server);
        }
    }
    (0..count as usize).find(|server| is_in(*server))
}

const JUMPS_MAX: u64 = 32;
/// Odd, and without a pattern: the golden ratio as a fraction of 2^64.
const ANOTHER: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: usize) -> Vec<PoolServer> {
        (0..count)
            .map(|number| format!("cache{number}").parse().unwrap())
            .collect()
    }

    #[test]
    fn keys_of_servers_that_count_stay_whatever_the_distribution() {
        for distribution in [
            Distribution::Ketama,
            Distribution::KetamaMd5,
            Distribution::KetamaWeighted,
            Distribution::Jump,
        ] {
            let placement = Placement::new(&servers(5), distribution).unwrap();
            let mut taken_over = [0; 5];
            for number in 0..1000 {
                let key = format!("key:{number}").into_bytes();
                let before = placement.locate(&key);
                let after = placement.locate_where(&key, |server| server != 2).unwrap();
                assert!(before == 2 || before == after);
                taken_over[after] += usize::from(before == 2);
            }
            // The keys of the one that is out are spread over all the others.
            assert_eq!(taken_over[2], 0);
            let others = [0, 1, 3, 4].map(|server| taken_over[server] > 0);
            assert_eq!(others, [true; 4], "{distribution:?}: {taken_over:?}");
            assert_eq!(placement.locate_where(b"key", |_| false), None);
            assert_eq!(
                placement.locate_where(b"key", |server| server == 4),
                Some(4)
            );
        }
    }

    #[test]
    fn no_servers_are_an_error() {
        for distribution in [Distribution::Ketama, Distribution::Jump] {
            let error = Placement::new(&[], distribution).unwrap_err();
            assert_eq!(error, PlacementError::NoServers);
        }
    }
}
