//! Reads kubeconfigs from disk.

use std::{
    fs, io,
    path::{self, Path, PathBuf},
};

use serde_json::Value;

/// Why a kubeconfig cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("{} is not valid YAML", .0.display())]
    Yaml(PathBuf, #[source] Box<serde_saphyr::Error>),
}

/// A path that is the same in every working directory.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, FileError> {
    path::absolute(path).map_err(|error| FileError::Read(path.to_owned(), error))
}

/// The contents of a file. `None` if it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<Value>, FileError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| FileError::Read(path.to_owned(), error))?,
    };
    if text.trim().is_empty() {
        return Ok(Some(Value::Null));
    }
    let value = serde_saphyr::from_str(&text);
    value
        .map(Some)
        .map_err(|error| FileError::Yaml(path.to_owned(), Box::new(error)))
}

/// The directory of a file, which relative paths in it start from.
pub(crate) fn home(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("/"))
}
