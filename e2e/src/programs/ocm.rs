//! OCM's own processes, for tests in which a managed cluster joins as in production, and upstream's
//! managed-serviceaccount, which benchmarks compare ours with.

use super::family::{Family, Manifests, PLAIN, Program};

/// OCM itself; see [`super::Programs::manifests`] for its CRDs.
pub static OCM: Family = Family {
    name: "ocm",
    programs: &[
        Program {
            name: "ocm-registration",
            package: "open-cluster-management.io/ocm/cmd/registration",
        },
        Program {
            name: "ocm-placement",
            package: "open-cluster-management.io/ocm/cmd/placement",
        },
        Program {
            name: "ocm-work",
            package: "open-cluster-management.io/ocm/cmd/work",
        },
        Program {
            name: "ocm-addon",
            package: "open-cluster-management.io/ocm/cmd/addon",
        },
        Program {
            name: "ocm-conversion",
            package: "spokeway/control-plane/ocm/conversion",
        },
    ],
    manifests: &[
        Manifests {
            name: "ocm-hub-crds",
            module: "open-cluster-management.io/ocm",
            directory: "manifests/cluster-manager/hub/crds",
        },
        Manifests {
            name: "ocm-spoke-crds",
            module: "open-cluster-management.io/ocm",
            directory: "manifests/klusterlet/managed",
        },
    ],
    ..PLAIN
};

/// Upstream's managed-serviceaccount: manager and agent in one program.
pub static MANAGED_SERVICEACCOUNT: Family = Family {
    name: "managed-serviceaccount",
    programs: &[Program {
        name: "managed-serviceaccount",
        package: "open-cluster-management.io/managed-serviceaccount/cmd",
    }],
    ..PLAIN
};

/// Upstream's own test suites for its agent, which are run against ours, and its CRD of accounts.
pub static MANAGED_SERVICEACCOUNT_E2E: Family = Family {
    name: "managed-serviceaccount",
    programs: &[
        Program {
            name: "msa-e2e-token",
            package: "open-cluster-management.io/managed-serviceaccount/e2e/token",
        },
        Program {
            name: "msa-e2e-ephemeral",
            package: "open-cluster-management.io/managed-serviceaccount/e2e/ephemeral_identity",
        },
    ],
    tests: true,
    manifests: &[Manifests {
        name: "managed-serviceaccount-crds",
        module: "open-cluster-management.io/managed-serviceaccount",
        directory: "config/crd/bases",
    }],
    ..PLAIN
};
