//! See `simulate --help`.

use std::process::ExitCode;

use clap::Parser as _;
use simulation::{
    check::Bounds,
    command::{self, Arguments},
    plan::Plan,
    run::World,
    world,
};

fn main() -> ExitCode {
    command::execute(Arguments::parse(), World { play: world::run, bounds })
}

fn bounds(plan: &Plan) -> Bounds {
    Bounds { window: plan.runtime.sizes.engine.window, ..Bounds::default() }
}
