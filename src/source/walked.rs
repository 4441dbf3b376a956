//! For tests: walks to their end, as the engine takes them. Every cursor goes through its stored form.

use super::{Ask, Cursor, Listing, Source, SourceError};
use crate::model::coverage::Head;
use crate::model::{IngestedRecord, Item, Repository};

/// No walk of a test has more pages.
const MOST_PAGES: usize = 1_000;

/// All that a listing tells, as sent.
pub(super) async fn records(source: &dyn Source, listing: &Listing) -> Result<Vec<IngestedRecord>, SourceError> {
    let (mut records, mut cursor) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let page = source.repositories(listing, cursor.as_ref()).await?;
        assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
        records.extend(page.records);
        let Some(next) = page.next else { return Ok(records) };
        cursor = Some(stored(&next));
    }
    panic!("the walk does not end");
}

/// All that is asked for, as sent; and the head, where a page told it.
pub(super) async fn items(
    source: &dyn Source,
    repo: &Repository,
    ask: &Ask,
) -> Result<(Vec<Item>, Option<Head>), SourceError> {
    let (mut items, mut head, mut cursor) = (Vec::new(), None, None);
    for _ in 0..MOST_PAGES {
        let page = source.secondary(repo, ask, cursor.as_ref()).await?;
        assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
        head = head.or(page.head);
        items.extend(page.items);
        let Some(next) = page.next else { return Ok((items, head)) };
        cursor = Some(stored(&next));
    }
    panic!("the walk does not end");
}

fn stored(cursor: &Cursor) -> Cursor {
    serde_json::from_str(&serde_json::to_string(cursor).expect("a cursor is a text")).expect("as it was")
}
