//! Saved states.

use indicators::{Definition, Indicator, RestoreError, Values};
use proptest::prelude::*;

use crate::series::{self, SHAPES};

/// All values of a series, and the state behind it; the indicator is saved and restored after each sample.
fn with_restarts(definition: &Definition, samples: &[indicators::Sample]) -> (Vec<Option<Values>>, Vec<u8>) {
    let mut state = definition.start().save();
    let mut values = Vec::new();
    for sample in samples {
        let mut indicator = Indicator::restore(definition, &state).unwrap();
        assert_eq!(indicator.save(), state);
        values.push(indicator.push(sample));
        state = indicator.save();
    }
    (values, state)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn restart_at_any_point_changes_no_bit(
        shape in proptest::sample::select(&SHAPES[..]),
        seed in any::<u64>(),
        period in 1_u32..12,
        is_bar in any::<bool>(),
    ) {
        let samples = series::of(shape, seed, 80, is_bar);
        for definition in series::definitions(period) {
            let mut undisturbed = definition.start();
            let mut states = vec![undisturbed.save()];
            let mut values = Vec::new();
            for sample in &samples {
                values.push(undisturbed.push(sample));
                states.push(undisturbed.save());
            }
            let (restarted, state) = with_restarts(&definition, &samples);
            prop_assert_eq!(&restarted, &values, "{}", definition);
            prop_assert_eq!(&state, states.last().unwrap(), "{}", definition);
            // One restart alone, so that a rest of the life before it shows.
            let cut = samples.len() / 2;
            let mut restored = Indicator::restore(&definition, &states[cut]).unwrap();
            for (sample, expected) in samples[cut..].iter().zip(&values[cut..]) {
                prop_assert_eq!(&restored.push(sample), expected, "{}", definition);
            }
            prop_assert_eq!(&restored.save(), states.last().unwrap(), "{}", definition);
        }
    }

    #[test]
    fn no_bytes_make_a_restart_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), period in 1_u32..12) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        let samples = series::of(series::Shape::Walk, 1, 30, true);
        for definition in series::definitions(period) {
            if let Ok(mut indicator) = Indicator::restore(&definition, &bytes) {
                prop_assert!(samples.iter().all(|sample| indicator.push(sample).is_none_or(|values| !values.is_empty())));
            }
        }
    }
}

#[test]
fn state_of_another_version_or_with_other_bytes_is_refused() {
    for definition in series::definitions(3) {
        let mut indicator = definition.start();
        for sample in series::of(series::Shape::Walk, 7, 30, true) {
            indicator.push(&sample);
        }
        let state = indicator.save();
        let mut newer = state.clone();
        newer[0] += 1;
        let mut longer = state.clone();
        longer.push(0);
        for bytes in [&newer[..], &longer, &state[..state.len() - 1], &[]] {
            assert_eq!(Indicator::restore(&definition, bytes).unwrap_err(), RestoreError, "{definition}");
        }
    }
}

#[test]
fn state_of_a_longer_period_is_refused() {
    let mut indicator = Definition::Sma { period: 5 }.start();
    for sample in series::of(series::Shape::Walk, 7, 30, true) {
        indicator.push(&sample);
    }
    assert!(Indicator::restore(&Definition::Sma { period: 4 }, &indicator.save()).is_err());
}
