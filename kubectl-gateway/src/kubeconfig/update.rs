//! Changes a kubeconfig on disk. It takes kubectl's lock, replaces the file atomically, and lets
//! only the owner read it.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::{Builder, TempPath};

use super::{
    edit::EditError,
    file::{FileError, home, read},
};

/// Why a kubeconfig was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("another program is changing the kubeconfig, because {} exists; if no program is, delete that lock file", .0.display())]
    Locked(PathBuf),
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    #[error("cannot serialize the kubeconfig as YAML")]
    Serialize(#[from] serde_saphyr::SerializeError),
    #[error("{} was not changed", .0.display())]
    Edit(PathBuf, #[source] EditError),
}

/// Changes a file, or creates it. If it is a symbolic link, its target is changed.
pub(crate) fn update(
    path: &Path,
    edit: impl FnOnce(&mut Value) -> Result<(), EditError>,
) -> Result<(), UpdateError> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let _lock = lock(&path)?;
    let mut config = read(&path)?.unwrap_or_default();
    edit(&mut config).map_err(|error| UpdateError::Edit(path.clone(), error))?;
    let text = yaml(&config)?;
    replace(&path, &text).map_err(|error| UpdateError::Write(path, error))
}

/// A kubeconfig as text.
pub(crate) fn yaml(config: &Value) -> Result<String, serde_saphyr::SerializeError> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(config, options)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // The file is created with mode 0600.
    let mut file = Builder::new()
        .prefix(".kubeconfig-")
        .tempfile_in(home(path))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Takes the same lock on the file as kubectl. Dropping it releases the lock.
fn lock(path: &Path) -> Result<TempPath, UpdateError> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    match fs::File::create_new(&lock) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(UpdateError::Locked(lock))
        }
        Err(error) => Err(UpdateError::Write(path.to_owned(), error)),
        Ok(_) => TempPath::try_from_path(lock)
            .map_err(|error| UpdateError::Write(path.to_owned(), error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_for_nobody_else_to_read() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (
            directory.path().join("config"),
            directory.path().join("link"),
        );
        fs::write(&path, "a: 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        symlink(&path, &link).unwrap();
        update(&link, |config| {
            config["b"] = "2".into();
            Ok(())
        })
        .unwrap();
        assert_eq!(read(&path).unwrap(), Some(json!({"a": 1, "b": "2"})));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            2,
            "no lock is left"
        );
    }

    #[test]
    fn what_is_refused_or_locked_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        fs::write(&path, "# mine\na: 1\n").unwrap();
        let refused = update(&path, |_| Err(EditError::Shape("x".to_owned())));
        assert!(matches!(refused, Err(UpdateError::Edit(_, _))));
        let lock = directory.path().join("config.lock");
        fs::write(&lock, "").unwrap();
        assert!(matches!(
            update(&path, |_| Ok(())),
            Err(UpdateError::Locked(_))
        ));
        assert!(lock.exists(), "somebody else's lock stays");
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\na: 1\n");
    }

    #[test]
    fn words_that_older_readers_take_for_something_else_stay_words() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let text = "words: ['yes', 'on', '0123', '1e3', '1_000', '2026-01-01', '', '~', 'a: b', \"line\\n\"]\n";
        fs::write(&path, text).unwrap();
        let before = read(&path).unwrap().unwrap();
        update(&path, |_| Ok(())).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), before);
        let written = fs::read_to_string(&path).unwrap();
        for word in ["yes", "on", "0123", "1e3", "1_000", "2026-01-01", "~"] {
            assert!(!written.contains(&format!("- {word}\n")), "{written}");
        }
    }
}
