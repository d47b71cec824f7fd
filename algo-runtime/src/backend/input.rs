//! Events in the form in which a backend gets them.

use intuition_api::v1::{self, IndicatorValue, input_event::Kind};

use crate::algorithm::{Indicator, Quote};

/// A quote.
pub fn of_quote(quote: &Quote) -> Kind {
    Kind::Quote(v1::Quote {
        sid: quote.sid.clone(),
        price: quote.price.to_string(),
        time_micros: quote.time_micros,
        details: quote.details.as_ref().map(|details| Box::new(details.to_message())),
    })
}

/// Values of an indicator.
pub fn of_indicator(indicator: &Indicator) -> Kind {
    let values = indicator.values.iter();
    Kind::Indicator(v1::Indicator {
        name: indicator.name.clone(),
        sid: indicator.sid.clone(),
        values: values.map(|(name, value)| IndicatorValue { name: name.clone(), value: value.to_string() }).collect(),
        time_micros: indicator.time_micros,
    })
}
