//! The value of `--feature-gates`. Pure.

use std::{collections::BTreeMap, str::FromStr};

use super::{Ignored, inherited::boolean};

/// Callers act as themselves on managed clusters.
const PENETRATION: &str = "ClientIdentityPenetration";
/// Features that the gateway always has.
const ALWAYS: [&str; 3] = ["HealthinessCheck", "OCMClusterCache", "SecretCache"];

/// Features by name, on or off.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct FeatureGates(BTreeMap<String, bool>);

/// Whether callers act as themselves on managed clusters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::args) enum Penetration {
    On,
    Off,
    /// Other features were named, and this one is off unless it is.
    OffByDefault,
}

/// The value of the flag is malformed.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not NAME=true or NAME=false")]
pub(super) struct FeatureGateError(String);

impl FromStr for FeatureGates {
    type Err = FeatureGateError;

    /// As the Go program, takes empty parts: its chart writes a comma behind each gate.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        let gates = parts.map(|part| {
            let gate = part.split_once('=').and_then(|(name, value)| {
                let is_on = boolean(value.trim())?;
                Some((name.trim().to_owned(), is_on))
            });
            gate.ok_or_else(|| FeatureGateError(part.to_owned()))
        });
        gates.collect::<Result<_, _>>().map(Self)
    }
}

impl FeatureGates {
    /// What all of them say together. The last one counts.
    pub(super) fn all(them: Vec<Self>) -> Self {
        Self(them.into_iter().flat_map(|it| it.0).collect())
    }

    /// Whether callers act as themselves.
    pub(super) fn penetration(&self) -> Penetration {
        let all = self.0.get("AllAlpha").filter(|is_on| **is_on);
        match self.0.get(PENETRATION).or(all) {
            Some(true) => Penetration::On,
            Some(false) => Penetration::Off,
            None => Penetration::OffByDefault,
        }
    }

    /// The gates that change nothing.
    pub(super) fn ignored(&self) -> impl Iterator<Item = Ignored> {
        self.0.iter().filter_map(|(name, is_on)| {
            let instead = match (name.as_str(), is_on) {
                (PENETRATION, _) => return None,
                (always, true) if ALWAYS.contains(&always) => return None,
                (always, false) if ALWAYS.contains(&always) => "the gateway always has this",
                _ => "the gateway has no such feature",
            };
            let flag = format!("--feature-gates={name}={is_on}");
            Some(Ignored { flag, instead })
        })
    }
}
