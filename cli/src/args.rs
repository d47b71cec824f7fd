//! The flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Runs trading algorithms: the manifests that a cluster runs, on this machine.
#[derive(Debug, Parser)]
#[command(name = "intuition", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say everything that is wrong with manifests.
    Validate(ManifestArgs),
}

/// The manifests.
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// YAML file of `TradingAlgo` manifests, several documents if need be; `-` reads standard input. Repeatable.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}
