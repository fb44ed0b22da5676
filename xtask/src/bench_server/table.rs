//! Figures of the rounds, their medians, and the goals.

use std::fmt;

use anyhow::Result;
use serde_json::{Value, json};

use super::peer::{Cpu, Kind};
use super::{Options, number};

/// What one server did in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measurement {
    throughput: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    /// CPU time of the server for one request: user and system.
    cpu_us: f64,
    user_us: f64,
}

impl Measurement {
    pub(super) fn new(report: &Value, cpu: Cpu, requests: u64) -> Result<Self> {
        let per_request = |seconds: f64| seconds * 1e6 / requests as f64;
        Ok(Self {
            throughput: number(report, "throughput")?,
            p50_us: number(report, "p50_us")?,
            p99_us: number(report, "p99_us")?,
            p999_us: number(report, "p99.9_us")?,
            cpu_us: per_request(cpu.total()),
            user_us: per_request(cpu.user),
        })
    }

    fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        Self {
            throughput: of(|round| round.throughput),
            p50_us: of(|round| round.p50_us),
            p99_us: of(|round| round.p99_us),
            p999_us: of(|round| round.p999_us),
            cpu_us: of(|round| round.cpu_us),
            user_us: of(|round| round.user_us),
        }
    }

    fn ratios(&self, to: &Self) -> [f64; 6] {
        [
            self.throughput / to.throughput,
            self.p50_us / to.p50_us,
            self.p99_us / to.p99_us,
            self.p999_us / to.p999_us,
            self.cpu_us / to.cpu_us,
            self.user_us / to.user_us,
        ]
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            throughput,
            p50_us,
            p99_us,
            p999_us,
            cpu_us,
            user_us,
        } = self;
        write!(
            formatter,
            "{throughput:>12.0}{p50_us:>10.0}{p99_us:>10.0}{p999_us:>10.0}{cpu_us:>14.3}{user_us:>12.3}"
        )
    }
}

/// The rounds of all servers under one load.
pub(super) struct Scenario {
    depth: usize,
    each: bool,
    requests: u64,
    rounds: Vec<(Kind, Vec<Measurement>)>,
}

impl Scenario {
    pub(super) fn new(depth: usize, each: bool, requests: u64, kinds: &[Kind]) -> Self {
        Self {
            depth,
            each,
            requests,
            rounds: kinds.iter().map(|kind| (*kind, Vec::new())).collect(),
        }
    }

    pub(super) fn note(&mut self, index: usize, measurement: Measurement) {
        self.rounds[index].1.push(measurement);
    }

    fn median(&self, wanted: Kind) -> Option<Measurement> {
        let (_, rounds) = self.rounds.iter().find(|(kind, _)| *kind == wanted)?;
        Some(Measurement::median(rounds))
    }

    /// CPU time of memlet-server for one request, as part of memcached's: the median of the rounds' own ratios, as the
    /// turns of one round had the most alike conditions.
    fn cpu_ratio(&self, wanted: Kind) -> f64 {
        let rounds = |kind: Kind| {
            self.rounds
                .iter()
                .find(|(other, _)| *other == kind)
                .map_or(&[][..], |(_, rounds)| rounds)
        };
        let pairs = rounds(wanted).iter().zip(rounds(Kind::Memcached));
        median(
            pairs
                .map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us)
                .collect(),
        )
    }

    /// The most CPU time for one request that is accepted, as part of memcached's.
    fn goal(&self) -> Option<f64> {
        match (self.depth, self.each) {
            (1, _) => Some(0.8),
            (32, false) => Some(0.35),
            _ => None,
        }
    }

    pub(super) fn missed_goal(&self) -> Option<String> {
        let ratio = self.cpu_ratio(Kind::Memlet);
        let goal = self.goal().filter(|goal| ratio.is_nan() || ratio > *goal)?;
        Some(format!(
            "depth {}: {ratio:.2} of memcached's CPU time, the goal is {goal}",
            self.depth
        ))
    }

    pub(super) fn print(&self, options: &Options) {
        let Options {
            connections,
            value,
            gets,
            ..
        } = options;
        println!(
            "\ndepth {}, {}; {connections} connections, {value}-byte values, {gets} gets to a set; {} requests a round, {} rounds",
            self.depth,
            if self.each {
                "requests written one by one"
            } else {
                "one write"
            },
            self.requests,
            self.rounds.first().map_or(0, |(_, rounds)| rounds.len()),
        );
        println!(
            "{:<18}{:>12}{:>10}{:>10}{:>10}{:>14}{:>12}",
            "medians", "requests/s", "p50 us", "p99 us", "p99.9 us", "CPU us/req", "of it user"
        );
        for (kind, _) in &self.rounds {
            if let Some(median) = self.median(*kind) {
                println!("{:<18}{median}", kind.name());
            }
        }
        let Some(memcached) = self.median(Kind::Memcached) else {
            return;
        };
        for (kind, _) in self
            .rounds
            .iter()
            .filter(|(kind, _)| *kind != Kind::Memcached)
        {
            let Some(median) = self.median(*kind) else {
                continue;
            };
            let [throughput, p50, p99, p999, _, user] = median.ratios(&memcached);
            let cpu = self.cpu_ratio(*kind);
            let label = format!("  {} /m.", kind.name());
            println!(
                "{label:<18}{throughput:>12.2}{p50:>10.2}{p99:>10.2}{p999:>10.2}{cpu:>14.2}{user:>12.2}"
            );
        }
        if let Some(goal) = self.goal().filter(|_| !options.is_smoke) {
            let verdict = if self.missed_goal().is_none() {
                "met"
            } else {
                "MISSED"
            };
            println!("goal: at most {goal} of memcached's CPU time for a request: {verdict}");
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let servers = self.rounds.iter().filter_map(|(kind, _)| {
            let median = self.median(*kind)?;
            Some(json!({
                "server": kind.name(),
                "throughput": median.throughput,
                "p50_us": median.p50_us,
                "p99_us": median.p99_us,
                "p99.9_us": median.p999_us,
                "cpu_us": median.cpu_us,
                "user_us": median.user_us,
                "cpu_ratio": self.cpu_ratio(*kind),
            }))
        });
        json!({ "depth": self.depth, "write_each": self.each, "requests": self.requests, "servers": servers.collect::<Vec<_>>() })
    }
}

/// The middle of some figures; of an even number of them the mean of the two in the middle.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match (figures.get(middle.wrapping_sub(1)), figures.get(middle)) {
        (Some(below), Some(above)) if figures.len().is_multiple_of(2) => (below + above) / 2.0,
        (_, Some(above)) => *above,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(vec![1.0]), 1.0);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn a_missed_goal_is_told() {
        let mut scenario = Scenario::new(1, false, 1000, &[Kind::Memcached, Kind::Memlet]);
        let measurement = |cpu_us| Measurement {
            throughput: 1.0,
            p50_us: 1.0,
            p99_us: 1.0,
            p999_us: 1.0,
            cpu_us,
            user_us: 1.0,
        };
        scenario.note(0, measurement(10.0));
        scenario.note(1, measurement(7.0));
        assert_eq!(scenario.missed_goal(), None);
        scenario.note(0, measurement(10.0));
        scenario.note(1, measurement(9.5));
        assert_eq!(
            scenario.missed_goal().unwrap(),
            "depth 1: 0.82 of memcached's CPU time, the goal is 0.8"
        );
    }
}
