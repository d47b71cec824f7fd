//! `random`: buys when a random number from 0 to 1 is above the threshold.

use rand::{Rng as _, SeedableRng as _, rngs::ChaCha8Rng};

use super::{Algorithm, AlgorithmSettings, Answer, Builtin, Event, FieldErrors, Parameters, SavedState, Signal};
use crate::generator::{ALGORITHM_STREAM, Generator};

/// The registry's entry.
pub const BUILTIN: Builtin = Builtin {
    name: "random",
    version: "1",
    summary: "buys when a random number from 0 to 1 is above the threshold",
    parameters_schema: r#"{"type":"object","properties":{"seed":{"type":"integer","minimum":0,"description":"makes the run reproducible"}},"additionalProperties":false}"#,
    initialize: |settings, saved, chance| Ok(Box::new(Random::initialize(settings, saved, chance)?)),
};

const GENERATOR: &str = "generator";

struct Random {
    threshold: f64,
    generator: Generator,
    changed: bool,
    /// Draws the seeds of generators where the settings have none.
    chance: ChaCha8Rng,
}

impl Random {
    fn initialize(settings: &AlgorithmSettings, saved: &SavedState, chance: u64) -> Result<Self, FieldErrors> {
        let seed = read(settings)?;
        let mut chance = ChaCha8Rng::seed_from_u64(chance);
        let saved = saved.get(GENERATOR).map(Vec::as_slice);
        let generator = Generator::resume(seed, ALGORITHM_STREAM, saved, chance.next_u64());
        Ok(Self { threshold: settings.threshold, generator, changed: false, chance })
    }
}

fn read(settings: &AlgorithmSettings) -> Result<Option<u64>, FieldErrors> {
    let mut parameters = Parameters::new(&settings.parameters);
    let seed = parameters.seed();
    parameters.finish()?;
    Ok(seed)
}

impl Algorithm for Random {
    fn channels(&self) -> Vec<String> {
        vec!["quotes".to_owned()]
    }

    fn decide(&mut self, events: &[Event]) -> Vec<Answer> {
        let mut answer = |event: &Event| match event {
            Event::Quote(_) => {
                self.changed = true;
                (self.generator.unit() > self.threshold).then_some(Signal::Buy).into()
            }
            Event::Indicator(_) => Answer::default(),
        };
        events.iter().map(&mut answer).collect()
    }

    fn reconfigure(&mut self, settings: &AlgorithmSettings) -> Result<(), FieldErrors> {
        let seed = read(settings)?;
        if seed != self.generator.seed() {
            self.generator = Generator::resume(seed, ALGORITHM_STREAM, None, self.chance.next_u64());
            self.changed = true;
        }
        self.threshold = settings.threshold;
        Ok(())
    }

    fn take_changes(&mut self) -> SavedState {
        let changed = std::mem::take(&mut self.changed);
        changed.then(|| (GENERATOR.to_owned(), self.generator.save())).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{Quote, tests_support::DecideQuotes as _},
        *,
    };

    fn settings(threshold: f64, parameters: serde_json::Value) -> AlgorithmSettings {
        let serde_json::Value::Object(parameters) = parameters else { panic!("an object") };
        AlgorithmSettings { threshold, parameters }
    }

    fn quotes(count: usize) -> Vec<Quote> {
        vec![Quote { sid: "GOOG".to_owned(), price: "345".parse().unwrap(), time_micros: 0, details: None }; count]
    }

    fn start(settings: &AlgorithmSettings, saved: &SavedState) -> Box<dyn Algorithm> {
        BUILTIN.initialize(settings, saved, 1).unwrap()
    }

    #[test]
    fn it_always_buys_at_threshold_0_and_never_at_1() {
        let buys = |threshold| {
            let signals =
                start(&settings(threshold, json!({"seed": 1})), &SavedState::new()).decide_quotes(&quotes(1000));
            signals.iter().flatten().count()
        };
        assert_eq!(buys(0.0), 1000);
        assert_eq!(buys(1.0), 0);
        assert!((400..600).contains(&buys(0.5)));
    }

    #[test]
    fn a_restart_in_between_changes_nothing() {
        let settings = settings(0.5, json!({"seed": 42}));
        let whole = start(&settings, &SavedState::new()).decide_quotes(&quotes(100));
        let mut first = start(&settings, &SavedState::new());
        let mut signals = first.decide_quotes(&quotes(60));
        let mut second = start(&settings, &first.take_changes());
        signals.extend(second.decide_quotes(&quotes(40)));
        assert_eq!(signals, whole);
    }

    #[test]
    fn a_parameter_that_cannot_be_used_is_refused_by_its_path() {
        for (parameters, complaint) in [
            (json!({"sede": 1}), "parameters.sede: is unknown; this algorithm takes seed"),
            (json!({"threshold": 1}), "parameters.threshold: belongs beside the parameters, not among them"),
            (json!({"seed": -1}), "parameters.seed: must be a whole number from 0 to 18446744073709551615, is -1"),
        ] {
            let error = BUILTIN.initialize(&settings(0.5, parameters), &SavedState::new(), 1).err().unwrap();
            assert_eq!(error.to_string(), complaint);
        }
    }

    #[test]
    fn a_new_threshold_leaves_the_random_numbers_as_they_were() {
        let seeded = |threshold| settings(threshold, json!({"seed": 3}));
        let mut changed = start(&seeded(1.0), &SavedState::new());
        changed.decide_quotes(&quotes(10));
        changed.reconfigure(&seeded(0.5)).unwrap();
        let mut steady = start(&seeded(0.5), &SavedState::new());
        steady.decide_quotes(&quotes(10));
        assert_eq!(changed.decide_quotes(&quotes(50)), steady.decide_quotes(&quotes(50)));
    }
}
