//! The programs that tests of the installation need: helm, and an interpreter of the Tiltfile's
//! language.

use super::family::{Family, PLAIN, Program};

/// The family of helm, which installs the chart.
pub static HELM: Family = Family {
    name: "helm",
    programs: &[Program {
        name: "helm",
        package: "helm.sh/helm/v4/cmd/helm",
    }],
    ..PLAIN
};

/// The family of the interpreter, which reads the Tiltfile.
pub static STARLARK: Family = Family {
    name: "starlark",
    programs: &[Program {
        name: "starlark",
        package: "go.starlark.net/cmd/starlark",
    }],
    ..PLAIN
};
