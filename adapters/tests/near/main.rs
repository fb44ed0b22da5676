//! A near cache in front of an upstream, both over real sockets.

mod answers;
mod bounds;
mod dropped;
mod history;
mod model;
mod node;
mod upstream;
mod weather;

use node::{Node, Options};
use upstream::{Control, Upstream};

/// A node and its upstream.
struct Pair {
    node: Node,
    control: Control,
    upstream: Upstream,
}

impl Pair {
    fn start() -> Pair {
        Pair::with(Options::default())
    }

    fn with(options: Options) -> Pair {
        let control = Control::new(false);
        let upstream = Upstream::start(&control, 0);
        let node = Node::start(upstream.address, &control.clock, options);
        Pair {
            node,
            control,
            upstream,
        }
    }
}
