//! The families of programs as data: the Go module that pins each of them, and how they are linked.
//!
//! A new family is a directory below `e2e/control-plane/` and one constant here.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// The programs of one pinned Go module.
#[derive(Debug)]
pub struct Family {
    /// The module's directory below `e2e/control-plane/`, and the cache entry's prefix.
    pub name: &'static str,
    /// The programs. Names are unique over all families.
    pub programs: &'static [Program],
    /// Whether the packages are test suites, which are built into programs that run them.
    pub tests: bool,
    /// Go build tags, comma separated; empty for none.
    pub tags: &'static str,
    /// Whether a C compiler is needed.
    pub cgo: bool,
    /// The version to link in, if a program must report its version.
    pub stamp: Option<Stamp>,
    /// Files of its modules that come with the programs.
    pub manifests: &'static [Manifests],
}

/// The CRDs in a directory of a required module: the files named `….yaml` whose first lines declare
/// a `CustomResourceDefinition`.
#[derive(Debug)]
pub struct Manifests {
    /// Their directory in the cache. It is unique over all families.
    pub name: &'static str,
    /// The module that contains them.
    pub module: &'static str,
    /// Their directory in the module.
    pub directory: &'static str,
}

/// A main package and the name of its program.
#[derive(Debug)]
pub struct Program {
    /// The name of the program in the cache.
    pub name: &'static str,
    /// The import path of its main package, one of the module's `tool` lines.
    pub package: &'static str,
}

/// Version variables that a release build of Kubernetes sets with the linker.
#[derive(Debug)]
pub struct Stamp {
    /// The required module whose version is stamped.
    pub module: &'static str,
    /// Packages that hold `gitVersion`, `gitMajor` and `gitMinor`.
    pub packages: &'static [&'static str],
}

/// The families that every World runs.
pub const ALL: &[&Family] = &[&ETCD, &KUBERNETES];

/// The store below every API server.
pub static ETCD: Family = Family {
    name: "etcd",
    programs: &[Program {
        name: "etcd",
        package: "go.etcd.io/etcd/server/v3",
    }],
    ..PLAIN
};

/// The control plane itself. Without the version stamp kubectl reports a version that it cannot
/// compare.
pub static KUBERNETES: Family = Family {
    name: "kubernetes",
    programs: &[
        Program {
            name: "kube-apiserver",
            package: "k8s.io/kubernetes/cmd/kube-apiserver",
        },
        Program {
            name: "kube-controller-manager",
            package: "k8s.io/kubernetes/cmd/kube-controller-manager",
        },
        Program {
            name: "kube-scheduler",
            package: "k8s.io/kubernetes/cmd/kube-scheduler",
        },
        Program {
            name: "kubectl",
            package: "k8s.io/kubernetes/cmd/kubectl",
        },
    ],
    stamp: KUBERNETES_STAMP,
    ..PLAIN
};

pub(super) const KUBERNETES_STAMP: Option<Stamp> = Some(Stamp {
    module: "k8s.io/kubernetes",
    packages: &[
        "k8s.io/component-base/version",
        "k8s.io/client-go/pkg/version",
    ],
});

/// The values of most families.
pub(super) const PLAIN: Family = Family {
    name: "",
    programs: &[],
    tests: false,
    tags: "",
    cgo: false,
    stamp: None,
    manifests: &[],
};

impl Family {
    /// The directory of the module's `go.mod` and `go.sum`.
    pub(super) fn module(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("control-plane")
            .join(self.name)
    }

    /// `<name>-<first 16 hex digits of the SHA-256 of go.sum and of the module's own sources>`.
    pub(super) fn cache_key(&self) -> io::Result<String> {
        let mut hash = Sha256::new_with_prefix(fs::read(self.module().join("go.sum"))?);
        for program in self.programs {
            for source in own_sources(&self.module().join(program.built_name()))? {
                hash.update(fs::read(source)?);
            }
        }
        let digest: [u8; 32] = hash.finalize().into();
        let first = digest.first_chunk().expect("32 bytes have a first 8");
        Ok(format!("{}-{:016x}", self.name, u64::from_be_bytes(*first)))
    }

    /// The `-ldflags` of the build, given the text of the module's `go.mod`.
    pub(super) fn linker_flags(&self, go_mod: &str) -> Option<String> {
        let mut flags = vec!["-s -w".to_owned()];
        if let Some(stamp) = &self.stamp {
            let version = required_version(go_mod, stamp.module)?;
            let mut numbers = version.trim_start_matches('v').split('.');
            let (major, minor) = (numbers.next()?, numbers.next()?);
            let values = [
                ("gitVersion", version),
                ("gitMajor", major),
                ("gitMinor", minor),
            ];
            for package in stamp.packages {
                for (variable, value) in values {
                    flags.push(format!("-X {package}.{variable}={value}"));
                }
            }
        }
        Some(flags.join(" "))
    }
}

impl Program {
    /// The name that `go build` gives the program: the last element of the import path that is not
    /// a major version.
    pub(super) fn built_name(&self) -> &'static str {
        let is_major = |element: &str| {
            element
                .strip_prefix('v')
                .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
        };
        let mut elements = self.package.rsplit('/');
        elements
            .find(|element| !is_major(element))
            .unwrap_or(self.package)
    }
}

/// The Go files of a package that lies in the module itself, in the order of their names.
pub(super) fn own_sources(package: &Path) -> io::Result<Vec<PathBuf>> {
    if !package.is_dir() {
        return Ok(Vec::new());
    }
    let entries: Vec<_> = fs::read_dir(package)?.collect::<io::Result<_>>()?;
    let mut sources: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "go"));
    sources.sort();
    Ok(sources)
}

/// The version in `require MODULE VERSION`, which may be a line of its own or part of a block.
fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let line = line.trim();
        let mut words = line
            .strip_prefix("require ")
            .unwrap_or(line)
            .split_whitespace();
        let version = (words.next()? == module).then(|| words.next())??;
        version.starts_with('v').then_some(version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::{
        GO_STACK, HELM, MANAGED_SERVICEACCOUNT, MANAGED_SERVICEACCOUNT_E2E, NODE, OCM, STARLARK,
    };

    #[test]
    fn programs_are_named_as_go_names_them() {
        let built = |package| Program { name: "x", package }.built_name();
        assert_eq!(built("go.etcd.io/etcd/server/v3"), "server");
        assert_eq!(built("k8s.io/kubernetes/cmd/kubectl"), "kubectl");
        assert_eq!(built("github.com/opencontainers/runc"), "runc");
    }

    #[test]
    fn the_stamped_version_is_the_required_one() {
        let go_mod = "tool k8s.io/kubernetes/cmd/kubectl\nrequire (\n\
                      \tk8s.io/kubernetes v1.36.3 // indirect\n)\n\
                      replace k8s.io/kubernetes => k8s.io/kubernetes v0.0.0\n";
        let flags = KUBERNETES.linker_flags(go_mod).unwrap();
        assert!(
            flags.contains("-X k8s.io/client-go/pkg/version.gitVersion=v1.36.3"),
            "{flags}"
        );
        assert!(flags.ends_with("gitMinor=36"), "{flags}");
    }

    #[test]
    fn every_family_has_its_module_and_pins_its_programs() {
        let others = [
            &OCM,
            &MANAGED_SERVICEACCOUNT,
            &MANAGED_SERVICEACCOUNT_E2E,
            &HELM,
            &STARLARK,
        ];
        for family in ALL.iter().chain(GO_STACK).chain(NODE).chain(&others) {
            let go_mod = fs::read_to_string(family.module().join("go.mod")).unwrap();
            assert!(family.cache_key().unwrap().len() == family.name.len() + 17);
            assert!(family.linker_flags(&go_mod).is_some(), "{}", family.name);
            for program in family.programs {
                // A test suite is not a tool, but a package of a required module.
                let pinned = go_mod
                    .lines()
                    .filter_map(|line| line.trim().split(' ').next());
                let mut pinned = pinned.filter(|_| family.tests);
                assert!(
                    go_mod.contains(program.package)
                        || pinned
                            .any(|module| module.contains('/')
                                && program.package.starts_with(module)),
                    "{}",
                    program.package
                );
            }
            for manifests in family.manifests {
                assert!(go_mod.contains(manifests.module), "{}", manifests.module);
            }
        }
    }
}
