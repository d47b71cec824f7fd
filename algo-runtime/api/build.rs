//! Compiles the contract without protoc.

use std::{env, error::Error, fs, path::Path};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(
        [
            "intuition/v1/types.proto",
            "intuition/v1/runtime.proto",
            "intuition/v1/algorithm.proto",
            "intuition/v1/backends.proto",
        ],
        ["proto"],
    )?;
    #[expect(clippy::disallowed_methods, reason = "cargo hands build scripts their settings by environment")]
    let out = env::var("OUT_DIR")?;
    // For server reflection.
    fs::write(Path::new(&out).join("intuition.v1.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".intuition.v1")
        // Written by hand, since it is held in large numbers.
        .extern_path(".intuition.v1.Quote", "crate::quote::Quote")
        // It has repeated messages, of which prost does not see that they can be compared.
        .type_attribute(".intuition.v1.DeadLetter", "#[derive(Eq)]")
        .type_attribute(".intuition.v1.Indicator", "#[derive(Eq)]")
        .type_attribute(".intuition.v1.Joined", "#[derive(Eq)]")
        .type_attribute(".intuition.v1.Tick", "#[derive(Eq)]")
        // Values take more room than a quote. In a box they do not enlarge ticks with quotes, which are held in large numbers.
        .boxed(".intuition.v1.Tick.content.indicator")
        .compile_fds(files)?;
    Ok(())
}
