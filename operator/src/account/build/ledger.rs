//! The volume that holds the ledger.

use std::cmp::Ordering;

use intuition_resources::{AccessMode, OnDelete};
use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{
    account::plan::Plan,
    names::{Component, claim as claim_name},
};

const STORAGE: &str = "storage";

/// The ledger's claim. It outlives the resource unless `storage.onDelete` is `Delete`, so that it has no owner
/// reference by default. Fields that cannot change keep the value of the existing claim.
pub(crate) fn claim(plan: &Plan, seen: Option<&PersistentVolumeClaim>) -> PersistentVolumeClaim {
    let mut metadata = plan.child_metadata(claim_name(&plan.children()), Some(Component::Runtime));
    if plan.storage.on_delete == OnDelete::Retain {
        metadata.owner_references = None;
    }
    let there = seen.and_then(|claim| claim.spec.as_ref());
    let size = Quantity(plan.storage.size.clone());
    let size = match there.and_then(requested) {
        Some(held) if bytes(held).partial_cmp(&bytes(&size)) == Some(Ordering::Greater) => held.clone(),
        _ => size,
    };
    let access_mode = match plan.storage.access_mode {
        AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
        AccessMode::ReadWriteOnce => "ReadWriteOnce",
    };
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(match there.and_then(|spec| spec.access_modes.clone()) {
                Some(modes) => modes,
                None => vec![access_mode.to_owned()],
            }),
            storage_class_name: match there {
                Some(spec) => spec.storage_class_name.clone(),
                None => plan.storage.class_name.clone(),
            },
            resources: Some(VolumeResourceRequirements {
                requests: Some([(STORAGE.to_owned(), size)].into()),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

fn requested(spec: &PersistentVolumeClaimSpec) -> Option<&Quantity> {
    spec.resources.as_ref()?.requests.as_ref()?.get(STORAGE)
}

/// The approximate size of a quantity, to compare two claims.
fn bytes(quantity: &Quantity) -> f64 {
    const UNITS: [(&str, f64); 13] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
        ("m", 1e-3),
    ];
    let text = quantity.0.as_str();
    let found = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = found.unwrap_or((text, 1.0));
    number.parse::<f64>().map_or(0.0, |number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_compare_across_units() {
        let size = |text: &str| bytes(&Quantity(text.to_owned()));
        for (smaller, larger) in
            [("1Gi", "2Gi"), ("1023Mi", "1Gi"), ("1G", "1Gi"), ("1073741823", "1Gi"), ("1Ti", "2T")]
        {
            assert!(size(smaller) < size(larger), "{smaller} {larger}");
        }
    }
}
