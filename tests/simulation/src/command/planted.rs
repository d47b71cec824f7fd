//! Whether the simulation finds mistakes that are planted in the code.

use std::io::{self, Write};

use crate::run::World;

/// Needed in a build without planted mistakes.
#[cfg(not(planted))]
const ANOTHER_BUILD: &str = "This build has no planted mistakes, which takes --cfg planted: make planted";

/// In this build no mistake can be made.
#[cfg(not(planted))]
pub(super) fn find(
    _wanted: (&[String], Option<u64>),
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
    use intuition_common::planted::{Mistake, switch};

    let Some(name) = name else { return Ok(true) };
    let mistake = Mistake::ALL.iter().find(|mistake| mistake.name() == name).copied();
    if mistake.is_none() {
        writeln!(output, "there is no planted mistake {name:?}")?;
    }
    switch(mistake);
    Ok(mistake.is_some())
}

/// What makes Cargo build with the mistakes.
#[cfg(planted)]
const WRAPPER: &str = "RUSTC_WORKSPACE_WRAPPER=$PWD/tests/simulation/rustc-planted";

/// Makes each mistake and runs seeds until one breaks a promise. Whether all were found. Which mistakes: those with these
/// names, or those whose turn it is, otherwise all. Limits: seeds and threads.
#[cfg(planted)]
pub(super) fn find(
    (names, turn): (&[String], Option<u64>),
    (within, threads): (u64, usize),
    world: World,
    output: &mut dyn Write,
    progress: &mut (dyn Write + Send),
) -> io::Result<bool> {
    use std::panic;

    use intuition_common::planted::{Mistake, switch};

    use crate::report;

    let known = |name: &&String| Mistake::ALL.iter().any(|mistake| mistake.name() == name.as_str());
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = Mistake::ALL.iter().map(|mistake| mistake.name()).collect();
        writeln!(output, "there is no planted mistake {unknown:?}; there are {}", all.join(", "))?;
        return Ok(false);
    }
    let has_turn = turns(turn, Mistake::ALL.len());
    let is_named = |mistake: &Mistake| names.is_empty() || names.iter().any(|name| name == mistake.name());
    let wanted = Mistake::ALL.iter().enumerate().filter(|(index, mistake)| has_turn(*index) && is_named(mistake));
    let width = Mistake::ALL.iter().map(|mistake| mistake.name().len()).max().unwrap_or_default();
    // A panic is a way to find a mistake, and its text is in the table.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut all_found = true;
    for (_, mistake) in wanted {
        let found = first(*mistake, (within, threads), world, progress);
        switch(None);
        let (name, text) = (mistake.name(), mistake.text().trim());
        match found? {
            Some((seed, violation)) => {
                let promise = violation.promise;
                writeln!(output, "{name:width$}  found within {} seeds, promise {promise}: {text}", seed + 1)?;
                let replay = format!("{WRAPPER} {} --planted {name}", report::replay(seed));
                writeln!(output, "    seed {seed}: {violation}\n      {replay}")?;
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
    mistake: intuition_common::planted::Mistake,
    (within, threads): (u64, usize),
    world: World,
    progress: &mut (dyn Write + Send),
) -> io::Result<Option<(u64, crate::facts::Violation)>> {
    use intuition_common::planted::switch;

    use crate::run::{self, Request};

    let mut from = 0;
    while from < within {
        switch(Some(mistake));
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

/// Mistakes of one turn.
#[cfg(any(planted, test))]
const AT_A_TURN: usize = 2;

/// Whether it is the turn of the mistake at an index, of so many mistakes. Without a turn it is that of each.
#[cfg(any(planted, test))]
fn turns(turn: Option<u64>, mistakes: usize) -> impl Fn(usize) -> bool {
    let turns = mistakes.div_ceil(AT_A_TURN).max(1);
    let turn = turn.map(|turn| usize::try_from(turn % turns as u64).unwrap_or_default());
    move |index| turn.is_none_or(|turn| index / AT_A_TURN == turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_has_its_turn() {
        let of = |turn, mistakes| (0..mistakes).filter(|index| turns(turn, mistakes)(*index)).collect::<Vec<_>>();
        assert_eq!(
            [of(Some(0), 5), of(Some(1), 5), of(Some(2), 5), of(Some(3), 5)],
            [vec![0, 1], vec![2, 3], vec![4], vec![0, 1]]
        );
        assert_eq!((of(None, 3), of(Some(9), 1), of(Some(9), 0)), (vec![0, 1, 2], vec![0], vec![]));
    }
}
