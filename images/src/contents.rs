//! The files in the image of a program: the program without debugging information, the libraries
//! that it loads, the configuration of name resolution, and the CAs that it trusts by default.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    libraries::{LibrariesError, loaded_by},
    tree::{PathTooLong, Tree},
};

const C_LIBRARY: &str = "libc.so.6";
/// A C library that contains this symbol queries name servers itself (glibc 2.34 or later). Older
/// ones load files for this that `ldd` does not name.
const RESOLVER: &[u8] = b"_nss_dns_gethostbyname4_r";
/// The `/etc/hosts` file of a pod comes first, as usual.
const NSSWITCH: &str = "hosts: files dns\n";

/// Public CAs, for a hub whose kubeconfig names no CA because a public one signed its certificate.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Why there is no image of a program.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The libraries are not known.
    #[error(transparent)]
    Libraries(#[from] LibrariesError),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The debugging information cannot be removed.
    #[error("cannot strip {}: {why}", program.display())]
    Strip {
        /// The program.
        program: PathBuf,
        /// The cause.
        why: String,
    },
    /// The C library of this machine cannot resolve names inside an image.
    #[error("{} is older than glibc 2.34, whose first it is to resolve names by itself", .0.display())]
    OldLibrary(PathBuf),
    /// The path of a file is too long.
    #[error(transparent)]
    Path(#[from] PathTooLong),
}

/// The files for the image of the program at `path`, which becomes `/name` in the image.
pub fn of_program(name: &str, path: &Path) -> Result<Tree, ContentsError> {
    let mut files = Tree::default();
    files.file(name, 0o755, stripped(path)?)?;
    let authorities = read(&Path::new("/").join(AUTHORITIES))?;
    files.file(AUTHORITIES, 0o644, authorities)?;
    for library in loaded_by(path)? {
        let content = read(&library)?;
        if library.ends_with(C_LIBRARY) {
            if !holds(&content, RESOLVER) {
                return Err(ContentsError::OldLibrary(library));
            }
            files.file("etc/nsswitch.conf", 0o644, NSSWITCH.into())?;
        }
        let inside = library.display().to_string();
        files.file(inside.trim_start_matches('/'), 0o755, content)?;
    }
    Ok(files)
}

fn stripped(program: &Path) -> Result<Vec<u8>, ContentsError> {
    let failed = |why: String| ContentsError::Strip {
        program: program.to_owned(),
        why,
    };
    let directory = TempDir::new().map_err(|error| failed(error.to_string()))?;
    let to = directory.path().join("stripped");
    let mut strip = Command::new("strip");
    let strip = strip.args(["--strip-debug", "-o"]).arg(&to).arg(program);
    let output = strip.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(said.trim().to_owned()));
    }
    read(&to)
}

fn read(path: &Path) -> Result<Vec<u8>, ContentsError> {
    fs::read(path).map_err(|source| ContentsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn holds(content: &[u8], text: &[u8]) -> bool {
    content.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_what_it_loads_and_nothing_else() {
        let program = std::env::current_exe().unwrap();
        let files = of_program("tool", &program).unwrap();
        let loaded = loaded_by(&program).unwrap();
        let loaded = loaded.iter().map(|path| path.display().to_string());
        let mut wanted: Vec<_> = loaded.map(|path| path[1..].to_owned()).collect();
        assert!(
            wanted.iter().any(|path| path.ends_with(C_LIBRARY)),
            "{wanted:?}"
        );
        wanted.extend(["etc/nsswitch.conf", AUTHORITIES, "tool"].map(str::to_owned));
        wanted.sort();
        let all: Vec<_> = files.paths().collect();
        let is_directory = |path: &str| all.iter().any(|it| it.starts_with(&format!("{path}/")));
        let found = all.iter().filter(|path| !is_directory(path));
        assert_eq!(found.collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_program_has_no_image() {
        let refused = of_program("x", Path::new("/nowhere/x")).unwrap_err();
        assert!(refused.to_string().contains("/nowhere/x"), "{refused}");
    }
}
