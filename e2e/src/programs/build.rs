//! Builds what a family's cache entry lacks. One builder runs at a time, in a directory of its own,
//! and each finished program is moved into place.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
    process::Command,
};

use tempfile::TempDir;

use super::{
    Family, Program, go, manifests,
    module::{BuildError, files},
    progress,
};
use crate::host;

/// Builds the programs of `family` for which `missing` holds, after any other builder of it has
/// finished.
pub(super) fn build(
    family: &'static Family,
    cache: &Path,
    directory: &Path,
    missing: impl Fn(&Program) -> bool,
) -> Result<(), BuildError> {
    fs::create_dir_all(directory).map_err(files("create", directory))?;
    let _lock = lock(family, cache)?;
    // Another process may have built them while this one waited.
    let wanted: Vec<_> = family
        .programs
        .iter()
        .filter(|program| missing(program))
        .collect();
    let absent: Vec<_> = manifests::missing(family, directory).collect();
    if wanted.is_empty() && absent.is_empty() {
        return Ok(());
    }
    remove_leftovers(family, cache);
    let go = go::toolchain(cache)?;
    let work = tempfile::Builder::new()
        .prefix(&work_prefix(family))
        .tempdir_in(cache)
        .map_err(files("create a directory in", cache))?;
    if !wanted.is_empty() {
        compile(family, &go, &work, &wanted)?;
    }
    for it in absent {
        manifests::install(family, it, &go, work.path(), directory)?;
    }
    for program in wanted {
        let suffix = if family.tests { ".test" } else { "" };
        let built = format!("{}{suffix}", program.built_name());
        let built = work.path().join("bin").join(built);
        let target = directory.join(program.name);
        fs::rename(&built, &target).map_err(files("install", &target))?;
    }
    Ok(())
}

/// Go's build cache for these programs takes gigabytes and is never used again, so it is in the
/// work directory and removed with it.
fn compile(
    family: &'static Family,
    go: &Path,
    work: &TempDir,
    wanted: &[&Program],
) -> Result<(), BuildError> {
    let module = family.module();
    let go_mod = module.join("go.mod");
    let text = fs::read_to_string(&go_mod).map_err(files("read", &go_mod))?;
    let flags = family.linker_flags(&text).ok_or(BuildError::NoVersion {
        family: family.name,
    })?;
    let mut output = work.path().join("bin").into_os_string();
    output.push("/");
    let names: Vec<_> = wanted.iter().map(|program| program.name).collect();
    let what = format!("building {} ({})", family.name, names.join(", "));
    let mut command = Command::new(go);
    command
        .current_dir(&module)
        .env("CGO_ENABLED", if family.cgo { "1" } else { "0" })
        .env("GOCACHE", work.path().join("gocache"))
        .env("GOTMPDIR", work.path())
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env_remove("GOROOT")
        .args(if family.tests {
            &["test", "-c", "-vet=off"][..]
        } else {
            &["build"]
        })
        .args([
            "-mod=readonly",
            "-trimpath",
            "-tags",
            family.tags,
            "-ldflags",
            &flags,
        ])
        .arg("-o")
        .arg(output)
        .args(wanted.iter().map(|program| program.package));
    let status = progress::run(&what, &mut command).map_err(files("run", go))?;
    if !status.success() {
        return Err(BuildError::Compile {
            family: family.name,
            status,
        });
    }
    Ok(())
}

/// Takes the lock of a family. It is held until the file is dropped; if a builder dies, the kernel
/// releases it.
fn lock(family: &Family, cache: &Path) -> Result<File, BuildError> {
    let path = cache.join(format!("{}.lock", family.name));
    let file = File::create(&path).map_err(files("create", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            host::tell(&format!("waiting for another build of {}", family.name));
            file.lock().map_err(files("lock", &path))?;
        }
        Err(TryLockError::Error(source)) => return Err(files("lock", &path)(source)),
    }
    Ok(file)
}

/// A builder that was killed leaves its work directory. While the lock is held, any such directory
/// is stale.
fn remove_leftovers(family: &Family, cache: &Path) {
    let prefix = work_prefix(family);
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.file_name().to_string_lossy().starts_with(&prefix)) {
        // If this fails, only disk space is lost.
        let _ = fs::remove_dir_all(entry.path());
    }
}

fn work_prefix(family: &Family) -> String {
    format!(".build-{}-", family.name)
}
