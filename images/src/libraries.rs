//! The libraries that a program loads when it starts, as the loader itself reports them.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

/// Why the libraries are not known.
#[derive(Debug, thiserror::Error)]
pub enum LibrariesError {
    /// `ldd` cannot be run.
    #[error("cannot run ldd")]
    Ldd(#[from] io::Error),
    /// `ldd` does not accept the program.
    #[error("ldd {}: {said}", program.display())]
    Refused {
        /// The program.
        program: PathBuf,
        /// The output of `ldd`.
        said: String,
    },
    /// A library was not found.
    #[error("{} needs {library}, which is not on this machine", program.display())]
    Missing {
        /// The program.
        program: PathBuf,
        /// The missing library.
        library: String,
    },
}

/// The loader and the libraries of a program, at the paths where the loader finds them. Empty if
/// the program is static.
pub fn loaded_by(program: &Path) -> Result<Vec<PathBuf>, LibrariesError> {
    let output = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C")
        .env_remove("LD_LIBRARY_PATH")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if said.contains("statically linked") || complaint.contains("not a dynamic executable") {
        return Ok(Vec::new());
    }
    if !output.status.success() {
        return Err(LibrariesError::Refused {
            program: program.to_owned(),
            said: format!("{said}{complaint}").trim().to_owned(),
        });
    }
    parse(&said).map_err(|library| LibrariesError::Missing {
        program: program.to_owned(),
        library,
    })
}

/// Parses `name => path (address)`, or `path (address)` for the loader. An entry without a path
/// belongs to the kernel.
fn parse(said: &str) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for line in said.lines().map(str::trim) {
        let (name, place) = line.split_once(" => ").unwrap_or((line, line));
        if place == "not found" {
            return Err(name.to_owned());
        }
        let path = place.split(" (").next().unwrap_or_default();
        if path.starts_with('/') {
            paths.push(PathBuf::from(path));
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\tlinux-vdso.so.1 (0x00007fa9b91f5000)
\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007fa9b90e4000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fa9b721e000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007fa9b91f7000)
";

    #[test]
    fn the_loader_and_what_it_finds_are_needed_and_the_kernels_own_is_not() {
        let paths = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib/x86_64-linux-gnu/libm.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(parse(SAID).unwrap(), paths.map(PathBuf::from));
    }

    #[test]
    fn what_is_nowhere_is_named() {
        assert_eq!(
            parse("\tlibodd.so => not found\n").unwrap_err(),
            "libodd.so"
        );
    }
}
