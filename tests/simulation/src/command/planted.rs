//! Whether the simulation finds mistakes that are planted in the code.

use std::io::{self, Write};

use crate::run::World;

/// In this build no mistake can be made.
#[cfg(not(planted))]
pub(super) fn find(
    _wanted: (&[String], Option<u64>),
    _limits: (u64, usize),
    _world: World,
    output: &mut dyn Write,
    _progress: &mut (dyn Write + Send),
) -> io::Result<bool> {
    writeln!(
        output,
        "This build has no planted mistakes, which takes --cfg planted: make planted"
    )?;
    Ok(false)
}

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
    let has_turn = turns(turn, Fault::ALL.len());
    let is_named = |fault: &Fault| names.is_empty() || names.iter().any(|name| name == fault.name());
    let wanted = Fault::ALL.iter().enumerate().filter(|(index, fault)| has_turn(*index) && is_named(fault));
    let width = Fault::ALL.iter().map(|fault| fault.name().len()).max().unwrap_or_default();
    // A panic is a way to find a mistake, and its text is in the table.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut all_found = true;
    for (_, fault) in wanted {
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
        assert_eq!([of(Some(0), 5), of(Some(1), 5), of(Some(2), 5), of(Some(3), 5)], [vec![0, 1], vec![2, 3], vec![4], vec![0, 1]]);
        assert_eq!((of(None, 3), of(Some(9), 1), of(Some(9), 0)), (vec![0, 1, 2], vec![0], vec![]));
    }
}
