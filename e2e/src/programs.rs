//! The programs of a control plane: they are found, or built once from pinned Go modules.
//!
//! A program in `KUBEBUILDER_ASSETS` is preferred. Otherwise it is in a cache outside the tree. The
//! key of the cache is the module's checksum file, so a new pin is a new entry, and nothing stale
//! is ever run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::host;

mod build;
mod family;
mod go;
mod go_stack;
mod install;
mod manifests;
mod module;
mod node;
mod ocm;
mod progress;

pub use family::{ALL, ETCD, Family, KUBERNETES, Manifests, Program, Stamp};
pub use go::GoError;
pub use go_stack::{CLUSTER_GATEWAY, GO_STACK, KONNECTIVITY};
pub use install::{HELM, STARLARK};
pub use module::BuildError;
pub use node::{CNI, CONTAINERD, KUBELET, NODE, RUNC, TESTIMAGE};
pub use ocm::{MANAGED_SERVICEACCOUNT, MANAGED_SERVICEACCOUNT_E2E, OCM};

/// Programs that exist and are ready to start.
#[derive(Clone, Debug)]
pub struct Programs(BTreeMap<&'static str, PathBuf>);

/// Why a requested program is missing.
#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    /// There is no directory for the cache.
    #[error("no cache directory: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    /// A family's pins cannot be read.
    #[error("cannot read the {family} module")]
    Module {
        /// The family whose `go.mod` or `go.sum` is at fault.
        family: &'static str,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A missing program could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl Programs {
    /// Finds the programs of `families` and builds those that are missing, which takes minutes and
    /// is reported on stderr. It is safe to run in several processes at once.
    pub fn ensure(families: &[&'static Family]) -> Result<Self, EnsureError> {
        let cache = cache_directory().ok_or(EnsureError::NoCache)?;
        let assets = host::variable("KUBEBUILDER_ASSETS").map(PathBuf::from);
        let mut found = BTreeMap::new();
        for family in families {
            let directory = entry(&cache, family)?;
            let place = |program: &Program| locate(assets.as_deref(), &directory, program);
            let lacks_files = || manifests::missing(family, &directory).next().is_some();
            if family.programs.iter().any(|it| place(it).is_none()) || lacks_files() {
                build::build(family, &cache, &directory, |program| {
                    place(program).is_none()
                })?;
            }
            for manifests in family.manifests {
                found.insert(manifests.name, directory.join(manifests.name));
            }
            for program in family.programs {
                let path = place(program).ok_or(BuildError::Absent {
                    family: family.name,
                    program: program.name,
                })?;
                found.insert(program.name, path);
            }
        }
        Ok(Self(found))
    }

    /// The path of a program.
    ///
    /// # Panics
    /// If `name` belongs to none of the requested families.
    pub fn path(&self, name: &str) -> &Path {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("{name} is of no family that was asked for"))
    }

    /// The directory of a family's [`Manifests`].
    ///
    /// # Panics
    /// If `name` belongs to none of the requested families.
    pub fn manifests(&self, name: &str) -> &Path {
        self.path(name)
    }

    /// Every program, and every directory of manifests, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.0.iter().map(|(name, path)| (*name, path.as_path()))
    }
}

fn entry(cache: &Path, family: &'static Family) -> Result<PathBuf, EnsureError> {
    family
        .cache_key()
        .map(|key| cache.join(key))
        .map_err(|source| EnsureError::Module {
            family: family.name,
            source,
        })
}

fn locate(assets: Option<&Path>, directory: &Path, program: &Program) -> Option<PathBuf> {
    let candidates = assets.into_iter().chain([directory]);
    candidates
        .map(|place| place.join(program.name))
        .find(|path| path.is_file())
}

fn cache_directory() -> Option<PathBuf> {
    let base = host::variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| host::variable("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("spokeway/control-plane"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_win_over_the_cache() {
        let root = tempfile::tempdir().unwrap();
        let (assets, cache) = (root.path().join("assets"), root.path().join("cache"));
        for directory in [&assets, &cache] {
            std::fs::create_dir(directory).unwrap();
        }
        let program = &ETCD.programs[0];
        assert_eq!(locate(Some(&assets), &cache, program), None);
        std::fs::write(cache.join("etcd"), "").unwrap();
        assert_eq!(
            locate(Some(&assets), &cache, program),
            Some(cache.join("etcd"))
        );
        std::fs::write(assets.join("etcd"), "").unwrap();
        assert_eq!(
            locate(Some(&assets), &cache, program),
            Some(assets.join("etcd"))
        );
    }
}
