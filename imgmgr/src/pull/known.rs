//! What is there from an earlier pull, and whether it is what a pull would bring now.

use crate::image::{Manifest, Platform, media};
use crate::store::{ImageEntry, Visit};

use super::{Platforms, Pull, Pulled, Result};

impl Pull<'_> {
    pub(super) async fn up_to_date(&self, entry: ImageEntry) -> Result<Pulled> {
        self.check_trust(entry.origin_digest.as_ref(), &entry.target.digest).await?;
        if let Platforms::One(wanted) = &self.options.platforms {
            wanted.check(&self.reference.familiar(), self.store.platform_of(&entry.target)?)?;
        }
        Ok(Pulled { entry, up_to_date: true })
    }

    /// The entry that `name` has, if it came from the same reference and nothing of it is missing.
    pub(super) fn known(&self, name: &str) -> Result<Option<ImageEntry>> {
        let Ok(entry) = self.store.resolve(name) else { return Ok(None) };
        let same_origin = entry.origin.as_deref() == Some(&self.reference.to_string());
        let found = same_origin && entry.origin_digest.is_some() && self.is_complete(&entry)?;
        Ok(found.then_some(entry))
    }

    /// Whether the reference still means what `entry` was chosen from.
    pub(super) async fn is_current(&self, entry: &ImageEntry) -> Result<bool> {
        // A digest means the same for ever; a tag must be asked about.
        let current = match self.reference.digest() {
            Some(digest) => Some(digest.clone()),
            None => {
                let head = self.remote.head_manifest(&self.reference.selector()).await?;
                head.map(|descriptor| descriptor.digest)
            }
        };
        Ok(current == entry.origin_digest)
    }

    /// Whether the choice would fall on `entry` again without a look at the index, in which there
    /// may be an image that fits better.
    pub(super) fn is_certain_choice(&self, entry: &ImageEntry) -> Result<bool> {
        let is_top = entry.origin_digest.as_ref() == Some(&entry.target.digest);
        let Platforms::One(wanted) = &self.options.platforms else { return Ok(is_top) };
        if is_top {
            return Ok(!media::is_index(&entry.target.media_type));
        }
        let platform = wanted.platform();
        let same = |found: Platform| found.fit(platform).and(platform.fit(&found)).is_some();
        Ok(self.store.platform_of(&entry.target)?.is_some_and(same))
    }

    fn is_complete(&self, entry: &ImageEntry) -> Result<bool> {
        if let Platforms::One(_) = &self.options.platforms {
            if media::is_index(&entry.target.media_type) {
                return Ok(false);
            }
            let (_, manifest) = self.store.manifest(&entry.target)?;
            if let (Manifest::Image(image), Some(sink)) = (manifest, &self.sink)
                && image.is_image()
                && let Ok((_, config)) = self.store.image_config(&image.config)
                && !config.rootfs.diff_ids.iter().all(|diff_id| sink.has(diff_id))
            {
                return Ok(false);
            }
        }
        let mut complete = self.lease.take(&entry.target)?;
        self.store.walk(&entry.target, &mut |visit| {
            match visit {
                Visit::Blob(blob) => complete &= self.lease.take(&blob)?,
                Visit::Absent(_) => complete = false,
                Visit::Manifest(..) => {}
            }
            Ok(())
        })?;
        Ok(complete)
    }
}
