//! Installs a module's CRDs beside the programs, so that no copies of them are in our tree.

use std::{fs, io, path::Path};

use super::{
    Family,
    family::Manifests,
    module::{self, BuildError, files},
};

/// The manifests of a family that the cache entry lacks.
pub(super) fn missing(
    family: &'static Family,
    entry: &Path,
) -> impl Iterator<Item = &'static Manifests> {
    let absent = |it: &&Manifests| !entry.join(it.name).is_dir();
    family.manifests.iter().filter(absent)
}

/// Copies the CRDs into the work directory, and moves the finished directory into place.
pub(super) fn install(
    family: &'static Family,
    manifests: &'static Manifests,
    go: &Path,
    work: &Path,
    entry: &Path,
) -> Result<(), BuildError> {
    let source = module::directory(family, manifests.module, go)?.join(manifests.directory);
    let staged = work.join(manifests.name);
    copy_crds(&source, &staged).map_err(files("copy the CRDs of", &source))?;
    let target = entry.join(manifests.name);
    fs::rename(&staged, &target).map_err(files("install", &target))
}

fn copy_crds(source: &Path, target: &Path) -> io::Result<()> {
    fs::create_dir(target)?;
    for entry in fs::read_dir(source)? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| is_yaml(&path)) else {
            continue;
        };
        // Written and not copied, because files of the module cache are read-only.
        let text = fs::read_to_string(&path)?;
        if is_crd(&text) {
            fs::write(target.join(name), text)?;
        }
    }
    Ok(())
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml")
}

fn is_crd(text: &str) -> bool {
    text.lines()
        .any(|line| line == "kind: CustomResourceDefinition")
}

#[cfg(test)]
mod tests {
    use super::{super::family::PLAIN, *};

    static FAMILY: Family = Family {
        manifests: &[Manifests {
            name: "crds",
            module: "m",
            directory: "d",
        }],
        ..PLAIN
    };

    #[test]
    fn only_crds_are_copied() {
        let root = tempfile::tempdir().unwrap();
        let (source, target) = (root.path().join("source"), root.path().join("crds"));
        fs::create_dir(&source).unwrap();
        let crd = "apiVersion: x\nkind: CustomResourceDefinition\n";
        let write = |name, text| fs::write(source.join(name), text).unwrap();
        write("a.yaml", crd);
        write("role.yaml", "kind: ClusterRole\n");
        write("a.go", crd);
        assert_eq!(missing(&FAMILY, root.path()).count(), 1);
        copy_crds(&source, &target).unwrap();
        assert_eq!(missing(&FAMILY, root.path()).count(), 0);
        let names = fs::read_dir(&target).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a.yaml"]);
    }
}
