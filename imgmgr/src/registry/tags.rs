//! Lists: tags of a repository, repositories of a registry. Both come in pages.

use reqwest::header::LINK;
use reqwest::{Method, Url};

use super::client::{Client, Remote};
use super::endpoint::Endpoint;
use super::replies::{next_page, parse_list};
use super::session::{Ask, read_bounded, shown};
use super::{RegistryError, Result};

/// How much of one page is read.
const MAX_PAGE_BYTES: u64 = 16 << 20;
/// The most pages of a list.
const MAX_PAGES: usize = 10_000;
/// The most entries of a list.
const MAX_ENTRIES: usize = 1_000_000;

impl Remote {
    /// Returns all tags, in the registry's order.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn tags(&self) -> Result<Vec<String>> {
        let endpoints = self.endpoints_for("list tags", |can| can.resolve)?;
        self.first(endpoints, |endpoint| async move {
            let url = self.client.url(endpoint, "tags/list").await?;
            self.client.pages(endpoint, url).await
        })
        .await
    }
}

impl Client {
    async fn pages(&self, endpoint: &Endpoint, start: Url) -> Result<Vec<String>> {
        let mut entries: Vec<String> = Vec::new();
        let mut next = Some(start.clone());
        let too_many = |what, limit| RegistryError::TooMany { url: shown(&start), what, limit };
        for _ in 0..MAX_PAGES {
            let Some(url) = next else { return Ok(entries) };
            let response = self.send(endpoint, &Ask::new(Method::GET, url.clone())).await?;
            next = next_page(&url, response.headers().get(LINK).and_then(|v| v.to_str().ok()));
            let body = read_bounded(response, MAX_PAGE_BYTES).await?;
            let page = parse_list(&body).map_err(|error| RegistryError::Protocol {
                url: shown(&url),
                reason: format!("not a list: {error}"),
            })?;
            entries.extend(page);
            if entries.len() > MAX_ENTRIES {
                return Err(too_many("entries", MAX_ENTRIES));
            }
        }
        Err(too_many("pages", MAX_PAGES))
    }
}
