//! Whether the simulation finds mistakes that are planted in the code.

use std::io::{self, Write};

use crate::run::World;

/// In this build no mistake can be made.
#[cfg(not(planted))]
pub(super) fn find(
    _names: &[String],
    _limits: (u64, usize),
    _world: World,
    output: &mut dyn Write,
    _progress: &mut (dyn Write + Send),
) -> io::Result<bool> {
    writeln!(
        output,
        "This build has no planted mistakes. Build it with them: RUSTFLAGS='--cfg planted' cargo run --release \
         --target-dir target/planted -p simulation --bin simulate -- planted"
    )?;
    Ok(false)
}

/// Makes each mistake and runs seeds until one breaks a promise. Whether all were found. `limits`: seeds and threads.
#[cfg(planted)]
pub(super) fn find(
    names: &[String],
    (within, threads): (u64, usize),
    world: World,
    output: &mut dyn Write,
    progress: &mut (dyn Write + Send),
) -> io::Result<bool> {
    use std::panic;

    use intuition_common::planted::{Fault, switch};

    use crate::{
        report,
        run::{self, Request},
    };

    let known = |name: &&String| Fault::ALL.iter().any(|fault| fault.name() == name.as_str());
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        writeln!(output, "there is no planted mistake {unknown:?}; there are {}", all.join(", "))?;
        return Ok(false);
    }
    let wanted = |fault: &&Fault| names.is_empty() || names.iter().any(|name| name == fault.name());
    let width = Fault::ALL.iter().map(|fault| fault.name().len()).max().unwrap_or_default();
    // A panic is a way to find a mistake, and its text is in the table.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut all_found = true;
    for fault in Fault::ALL.iter().filter(wanted) {
        switch(Some(*fault));
        let request = Request { from: 0, seeds: within, threads, failures: 1 };
        let summary = run::many(request, |seed| run::one(world, seed, &mut |_, _| {}), progress);
        switch(None);
        let summary = summary?;
        let (name, text) = (fault.name(), fault.text().trim());
        match summary.failures.iter().next() {
            Some((seed, violation)) => {
                let runs = summary.coverage.runs();
                writeln!(output, "{name:width$}  found after {runs} seeds, promise {}: {text}", violation.promise)?;
                writeln!(output, "    {}", report::failure(*seed, violation))?;
            }
            None => {
                all_found = false;
                writeln!(output, "{name:width$}  NOT FOUND within {within} seeds: {text}")?;
            }
        }
    }
    panic::set_hook(hook);
    Ok(all_found)
}
