//! Files that a thread writes and that go with the future that waits for it.

use std::fs::File;
use std::path::Path;

use crate::whole_file::WholeFile;

use super::{CopyError, Result};

/// Does what blocks on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| CopyError::Task { source })?
}

/// Writes a file that is there whole or as it was. What was written goes with the future, though the thread
/// that writes may outlive it.
pub(super) async fn write_file(
    path: &Path,
    write: impl FnOnce(File) -> Result<()> + Send + 'static,
) -> Result<()> {
    let whole = create(path).await?;
    let file = whole.file().try_clone().map_err(CopyError::io("open", path))?;
    blocking(move || write(file)).await?;
    whole.keep().map_err(CopyError::io("rename", path))
}

async fn create(path: &Path) -> Result<WholeFile> {
    // A pipe waits for its reader, and has no file that could stay behind.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        let pipe = path.to_owned();
        return blocking(move || WholeFile::create(&pipe).map_err(CopyError::io("open", &pipe)))
            .await;
    }
    WholeFile::create(path).map_err(CopyError::io("create", path))
}
