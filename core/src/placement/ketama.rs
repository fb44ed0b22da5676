//! Ketama as libmemcached has it: servers as points on a ring of 32-bit numbers.

use core::marker::PhantomData;

use super::error::PlacementError;
#[cfg(feature = "md5")]
use super::hash::Md5;
use super::hash::{KeyHash, OneAtATime};

/// A server of a pool, by the name that its points on the ring are made from.
///
/// Clients of one pool must write a server in the same way: `localhost` and `127.0.0.1` have different points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Server<'a> {
    /// Name or address as the clients are configured with it, IPv6 without brackets; or the path of a unix socket.
    pub host: &'a str,
    /// TCP port; 0 for a unix socket.
    pub port: u16,
    /// Share of the keys beside that of others, in a weighted ring; 0 counts as 1.
    pub weight: u32,
}

impl<'a> Server<'a> {
    /// A server of weight 1.
    #[must_use]
    pub const fn new(host: &'a str, port: u16) -> Self {
        Server {
            host,
            port,
            weight: 1,
        }
    }
}

/// A place on the ring, and the server that holds the keys before it. 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Point {
    hash: u32,
    /// Points with the same hash stand in the order of their servers, as in libmemcached.
    server: u32,
}

/// A ring of points: a key belongs to the server whose point is the next from the key's hash on.
///
/// `P` is the memory of the points: an array, a `&mut [Point]` or, with a heap, a `Vec<Point>`. `H` hashes the keys.
/// Making a ring takes a sort of its points; finding a key takes one hash and a binary search.
#[derive(Clone, Debug)]
pub struct Ketama<P, H> {
    points: P,
    /// Points that are in use, at the front.
    len: usize,
    hash: PhantomData<fn() -> H>,
}

/// Points of a server in an unweighted ring.
const POINTS_PER_SERVER: usize = 100;
/// memcached's own port, which libmemcached leaves out of the name of a point.
const DEFAULT_PORT: u16 = 11211;

/// Points that [`Ketama::unweighted`] needs for so many servers.
#[must_use]
pub const fn unweighted_points(servers: usize) -> usize {
    servers.saturating_mul(POINTS_PER_SERVER)
}

/// Points that [`Ketama::weighted`] needs for these servers: 160 for each on average, rounded down for each to a multiple
/// of 4.
#[cfg(feature = "md5")]
#[must_use]
pub fn weighted_points(servers: &[Server<'_>]) -> usize {
    let total = total_weight(servers);
    let count = |server| digests(server, servers.len(), total).saturating_mul(POINTS_PER_DIGEST);
    servers.iter().map(count).sum()
}

impl<P: AsRef<[Point]> + AsMut<[Point]>> Ketama<P, OneAtATime> {
    /// The ring of libmemcached's `MEMCACHED_BEHAVIOR_KETAMA` and pylibmc's `behaviors={"ketama": True}`, which take no
    /// notice of weights as long as all are 1. Only the first [`unweighted_points`] of `points` are used.
    ///
    /// # Errors
    /// No servers, or too few points.
    pub fn unweighted(servers: &[Server<'_>], points: P) -> Result<Self, PlacementError> {
        Self::with_hash(servers, points)
    }
}

impl<P: AsRef<[Point]> + AsMut<[Point]>, H: KeyHash> Ketama<P, H> {
    /// As [`Ketama::unweighted`] with another hash of keys and points: pylibmc's `"hash"` beside `"ketama"`.
    ///
    /// # Errors
    /// No servers, or too few points.
    pub fn with_hash(servers: &[Server<'_>], points: P) -> Result<Self, PlacementError> {
        let places = servers.iter().enumerate().flat_map(|(index, server)| {
            (0..POINTS_PER_SERVER as u32).map(move |number| {
                let mut hash = H::default();
                name_point(server, number, &mut hash);
                Point {
                    hash: hash.finish(),
                    server: index as u32,
                }
            })
        });
        Self::fill(servers, points, unweighted_points(servers.len()), places)
    }

    /// As [`Ketama::weighted`] with another hash of keys; points are made by MD5 all the same. With [`OneAtATime`] this
    /// is the ring of pylibmc's `behaviors={"ketama": True}` when a server's weight is above 1.
    ///
    /// # Errors
    /// No servers, or too few points.
    #[cfg(feature = "md5")]
    pub fn weighted_with_hash(servers: &[Server<'_>], points: P) -> Result<Self, PlacementError> {
        let total = total_weight(servers);
        let places = servers.iter().enumerate().flat_map(|(index, server)| {
            (0..digests(server, servers.len(), total) as u32).flat_map(move |number| {
                let mut hash = Md5::default();
                name_point(server, number, &mut hash);
                let server = index as u32;
                hash.words().map(|hash| Point { hash, server })
            })
        });
        Self::fill(servers, points, weighted_points(servers), places)
    }

    /// Puts `count` places in order.
    fn fill(
        servers: &[Server<'_>],
        mut points: P,
        count: usize,
        places: impl Iterator<Item = Point>,
    ) -> Result<Self, PlacementError> {
        if servers.is_empty() {
            return Err(PlacementError::NoServers);
        }
        let available = points.as_mut().len();
        let Some(ring) = points.as_mut().get_mut(..count) else {
            return Err(PlacementError::TooFewPoints {
                needed: count,
                available,
            });
        };
        for (point, place) in ring.iter_mut().zip(places) {
            *point = place;
        }
        ring.sort_unstable();
        Ok(Ketama {
            points,
            len: count,
            hash: PhantomData,
        })
    }

    /// The index of the server that holds `key`.
    #[must_use]
    pub fn locate(&self, key: &[u8]) -> usize {
        self.locate_where(key, |_| true).unwrap_or(0)
    }

    /// The index of the server that holds `key` when only those count for which `is_in` says so; `None` when it does so
    /// for none.
    ///
    /// Keys of the servers that count stay where they are. An unweighted ring without the other servers gives the same;
    /// a weighted one gives other shares to those that are left, so that libmemcached moves some of their keys too when
    /// it ejects a server.
    pub fn locate_where(&self, key: &[u8], mut is_in: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut hash = H::default();
        hash.update(key);
        let hash = hash.finish();
        let ring = self.ring();
        let (before, from) =
            ring.split_at_checked(ring.partition_point(|point| point.hash < hash))?;
        from.iter()
            .chain(before)
            .map(|point| point.server as usize)
            .find(|&server| is_in(server))
    }

    /// How many points the server of this index has: beside those of others, roughly its share of the keys.
    #[must_use]
    pub fn points_of(&self, server: usize) -> usize {
        let is_its = |point: &&Point| point.server as usize == server;
        self.ring().iter().filter(is_its).count()
    }

    fn ring(&self) -> &[Point] {
        self.points.as_ref().get(..self.len).unwrap_or_default()
    }
}

#[cfg(feature = "md5")]
impl<P: AsRef<[Point]> + AsMut<[Point]>> Ketama<P, Md5> {
    /// The ring of libmemcached's `MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED` and pylibmc's `behaviors={"ketama_weighted": True}`:
    /// points by weight, MD5 throughout. Only the first [`weighted_points`] of `points` are used.
    ///
    /// # Errors
    /// No servers, or too few points.
    pub fn weighted(servers: &[Server<'_>], points: P) -> Result<Self, PlacementError> {
        Self::weighted_with_hash(servers, points)
    }
}

/// Each MD5 digest gives four points.
#[cfg(feature = "md5")]
const POINTS_PER_DIGEST: usize = 4;
/// Digests of a server whose weight is the average: 160 points.
#[cfg(feature = "md5")]
const DIGESTS_PER_SERVER: f32 = 40.0;

#[cfg(feature = "md5")]
fn total_weight(servers: &[Server<'_>]) -> u64 {
    servers.iter().map(|server| u64::from(weight(server))).sum()
}

#[cfg(feature = "md5")]
fn weight(server: &Server<'_>) -> u32 {
    server.weight.max(1)
}

/// Digests of a server in a weighted ring.
///
/// libmemcached computes in single precision, whose roundings decide about a digest more or less: the operations and
/// their order must be the same.
#[cfg(feature = "md5")]
fn digests(server: &Server<'_>, servers: usize, total_weight: u64) -> usize {
    let share = weight(server) as f32 / total_weight as f32;
    (share * (4.0 * DIGESTS_PER_SERVER) / 4.0 * servers as f32) as usize
}

/// Feeds the name of a server's point: `host:port-number`, without the port when it is memcached's own.
fn name_point(server: &Server<'_>, number: u32, hash: &mut impl KeyHash) {
    hash.update(server.host.as_bytes());
    if server.port != DEFAULT_PORT {
        hash.update(b":");
        put_decimal(server.port.into(), hash);
    }
    hash.update(b"-");
    put_decimal(number, hash);
}

/// Feeds the digits of a number.
fn put_decimal(number: u32, hash: &mut impl KeyHash) {
    let mut divisor = 1;
    while number / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        // A digit is below 10.
        hash.update(&[b'0' + (number / divisor % 10) as u8]);
        divisor /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes the bytes instead of hashing them.
    #[derive(Default)]
    struct Spelled([u8; 32], usize);

    impl KeyHash for Spelled {
        fn update(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0[self.1] = *byte;
                self.1 += 1;
            }
        }

        fn finish(self) -> u32 {
            0
        }
    }

    #[test]
    fn points_are_named_as_libmemcached_names_them() {
        for (host, port, number, name) in [
            ("10.0.0.1", 11211, 0, "10.0.0.1-0"),
            ("cache", 11212, 99, "cache:11212-99"),
            ("::1", 1, 1007, "::1:1-1007"),
            ("/run/cache", 0, 10, "/run/cache:0-10"),
            ("h", 65535, u32::MAX, "h:65535-4294967295"),
        ] {
            let mut spelled = Spelled::default();
            name_point(&Server::new(host, port), number, &mut spelled);
            assert_eq!(&spelled.0[..spelled.1], name.as_bytes());
        }
    }
}
