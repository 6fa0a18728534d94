//! What the ways of installing are tried with: helm, and an interpreter of the Tiltfile's language.

use super::family::{Family, PLAIN, Program};

/// What installs the chart.
pub static HELM: Family = Family {
    name: "helm",
    programs: &[Program {
        name: "helm",
        package: "helm.sh/helm/v4/cmd/helm",
    }],
    ..PLAIN
};

/// What reads a Tiltfile.
pub static STARLARK: Family = Family {
    name: "starlark",
    programs: &[Program {
        name: "starlark",
        package: "go.starlark.net/cmd/starlark",
    }],
    ..PLAIN
};
