//! Whether the simulation finds mistakes that are planted in the code.

use std::io::{self, Write};

use crate::run::World;

/// Needed in a build without planted mistakes.
#[cfg(not(planted))]
const ANOTHER_BUILD: &str = "This build has no planted mistakes. Build it with them: RUSTFLAGS='--cfg planted' cargo run --release \
     --target-dir target/planted -p simulation --bin simulate -- planted";

/// In this build no mistake can be made.
#[cfg(not(planted))]
pub(super) fn find(
    _names: &[String],
    _limits: (u64, usize),
    _world: World,
    output: &mut dyn Write,
    _progress: &mut (dyn Write + Send),
) -> io::Result<bool> {
    writeln!(output, "{ANOTHER_BUILD}")?;
    Ok(false)
}

/// Makes a mistake from here on, if one is named. False: this build has none.
#[cfg(not(planted))]
pub(super) fn switch_on(name: Option<&str>, output: &mut dyn Write) -> io::Result<bool> {
    if name.is_some() {
        writeln!(output, "{ANOTHER_BUILD}")?;
    }
    Ok(name.is_none())
}

/// Makes a mistake from here on, if one is named. False: there is none of this name.
#[cfg(planted)]
pub(super) fn switch_on(name: Option<&str>, output: &mut dyn Write) -> io::Result<bool> {
    use intuition_common::planted::{Fault, switch};

    let Some(name) = name else { return Ok(true) };
    let fault = Fault::ALL.iter().find(|fault| fault.name() == name).copied();
    if fault.is_none() {
        writeln!(output, "there is no planted mistake {name:?}")?;
    }
    switch(fault);
    Ok(fault.is_some())
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

    use crate::report;

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
        let found = first(*fault, (within, threads), world, progress);
        switch(None);
        let (name, text) = (fault.name(), fault.text().trim());
        match found? {
            Some((seed, violation)) => {
                let promise = violation.promise;
                writeln!(output, "{name:width$}  found within {} seeds, promise {promise}: {text}", seed + 1)?;
                writeln!(output, "    {} --planted {name}", report::failure(seed, &violation))?;
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

/// The first seed that breaks a promise with a mistake, and none without it.
#[cfg(planted)]
fn first(
    fault: intuition_common::planted::Fault,
    (within, threads): (u64, usize),
    world: World,
    progress: &mut (dyn Write + Send),
) -> io::Result<Option<(u64, crate::facts::Violation)>> {
    use intuition_common::planted::switch;

    use crate::run::{self, Request};

    let mut from = 0;
    while from < within {
        switch(Some(fault));
        let request = Request { from, seeds: within - from, threads, failures: 1 };
        let summary = run::many(request, |seed| run::one(world, seed, &mut |_, _| {}), progress)?;
        // Seeds between a failing one and the last that was begun were played too.
        from = from.saturating_add(summary.coverage.runs());
        switch(None);
        let of_the_mistake = |seed: u64| run::one(world, seed, &mut |_, _| {}).1.is_ok();
        if let Some(found) = summary.failures.into_iter().find(|(seed, _)| of_the_mistake(*seed)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
