//! Every committed input of every fuzz target, run once without the fuzzer.

#![allow(missing_docs)]

use std::fs;
use std::path::Path;

/// Runs a target over `core/fuzz/corpus/NAME`.
fn replay(name: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut inputs = 0;
    for entry in
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.unwrap().path();
        // The name of the input, in case the target panics over it.
        println!("{}", path.display());
        run(&fs::read(&path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "{} has no inputs", folder.display());
}

macro_rules! targets {
    ($($(#[$condition:meta])? $name:ident $path:literal)*) => {
        $(
            $(#[$condition])?
            #[path = $path]
            mod $name;
        )*

        mod replays {
            $(
                $(#[$condition])?
                #[test]
                fn $name() {
                    super::replay(stringify!($name), super::$name::run);
                }
            )*
        }
    };
}

targets! {
    engine "../fuzz/targets/engine.rs"
    #[cfg(feature = "fields")] fields "../fuzz/targets/fields.rs"
    feeds "../fuzz/targets/feeds.rs"
    packet "../fuzz/targets/packet.rs"
    store "../fuzz/targets/store.rs"
    replies "../fuzz/targets/replies.rs"
    stream "../fuzz/targets/stream.rs"
}
