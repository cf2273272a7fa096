use std::fmt::Display;
use std::ops::RangeBounds;
use std::sync::Arc;

use serde::Serialize;

use super::cursor::{Cursor, CursorOrder};
use super::encode::decode;
use super::rows::{equal, within};
use super::{Index, Indexed, ReadModel};
use crate::error::{Invalid, Result};
use crate::message::RowLimits;
use crate::store::{ModelSchema, ViewPage, ViewPlace, ViewScan, ViewStore};

/// Minimum number of views that are read at a time to be filtered.
const MIN_FILTERED: u64 = 256;

/// Read access to the views of one read model, as an input of query handlers.
pub struct Read<V> {
    store: Arc<dyn ViewStore>,
    model: Arc<ModelSchema>,
    /// What the caller may see.
    rows: RowLimits,
    of: std::marker::PhantomData<fn() -> V>,
}

impl<V: ReadModel> Read<V> {
    pub(crate) fn new(store: Arc<dyn ViewStore>, model: Arc<ModelSchema>) -> Self {
        Self {
            store,
            model,
            rows: RowLimits::All,
            of: std::marker::PhantomData,
        }
    }

    /// Reads these rows only.
    pub(crate) fn limited_to(self, rows: RowLimits) -> Self {
        Self { rows, ..self }
    }

    /// Returns the view with this key.
    ///
    /// # Errors
    /// When the store fails, or the stored view does not fit the type.
    pub async fn get(&self, key: &(impl Display + ?Sized)) -> Result<Option<V>> {
        let key = key.to_string();
        let mut found = self
            .store
            .load(self.model.clone(), vec![key.clone()])
            .await?;
        let Some(body) = found.pop().flatten() else {
            return Ok(None);
        };
        let view: V = decode(&key, &body)?;
        Ok(self.rows.include(|| view.sort_keys()).then_some(view))
    }

    /// The one way from a search to the store.
    async fn scan(&self, mut scan: ViewScan) -> Result<ViewPage> {
        match &self.rows {
            RowLimits::All => {}
            RowLimits::None => {
                return Ok(ViewPage {
                    rows: Vec::new(),
                    total: scan.with_total.then_some(0),
                });
            }
            RowLimits::Within(ranges) => scan.ranges.extend_from_slice(ranges),
        }
        Ok(self.store.scan(scan).await?)
    }

    /// Starts a search in all views, which [`Find`]'s methods narrow, sort and page.
    pub fn find(&self) -> Find<'_, V> {
        let scan = ViewScan {
            model: self.model.clone(),
            ranges: Vec::new(),
            order: None,
            descending: false,
            after: None,
            skip: 0,
            take: u64::MAX,
            with_total: false,
        };
        Find {
            read: self,
            scan,
            after: None,
            filter: None,
        }
    }

    /// Returns the number of views.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count(&self) -> Result<u64> {
        self.find().count().await
    }
}

/// A search in a read model.
#[must_use = "a search does nothing until `all`, `page`, `first` or `count` is awaited"]
pub struct Find<'r, V> {
    read: &'r Read<V>,
    scan: ViewScan,
    after: Option<Cursor>,
    filter: Option<Filter<'r, V>>,
}

/// Returns whether a view is part of the result.
type Filter<'r, V> = Box<dyn Fn(&V) -> bool + Send + Sync + 'r>;

/// One page of the views that a search has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Page<V> {
    /// The views on this page.
    pub items: Vec<V>,
    /// Number of views on all pages.
    pub total: u64,
}

/// One page of the views that a search has found, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CursorPage<V> {
    /// The views on this page.
    pub items: Vec<V>,
    /// The place after which the next page begins. `None` if this is the last page.
    pub next: Option<Cursor>,
}

impl<'r, V: ReadModel> Find<'r, V> {
    /// Keeps only views whose index is within the range: `..=max`, `min..`, `a..b`, `v..=v`.
    pub fn range<T: Indexed>(mut self, index: Index<V, T>, range: impl RangeBounds<T>) -> Self {
        self.scan.ranges.push(within(index, range));
        self
    }

    /// Keeps only views whose index has this value.
    pub fn eq<T: Indexed>(mut self, index: Index<V, T>, value: &T) -> Self {
        self.scan.ranges.push(equal(index, value));
        self
    }

    /// Keeps only views for which the function returns `true`. It runs in this process, on every
    /// view within the ranges, so narrow these first.
    pub fn filter(mut self, filter: impl Fn(&V) -> bool + Send + Sync + 'r) -> Self {
        self.filter = Some(match self.filter.take() {
            None => Box::new(filter),
            Some(first) => Box::new(move |view| first(view) && filter(view)),
        });
        self
    }

    /// Sorts by this index, and by key where it is equal. Defaults to the order of keys.
    pub fn order_by<T: ?Sized>(mut self, index: Index<V, T>) -> Self {
        self.scan.order = Some(index.place);
        self
    }

    /// Sorts in descending order.
    pub fn descending(mut self) -> Self {
        self.scan.descending = true;
        self
    }

    /// Keeps only views after this place: the `next` of a [`cursor_page`](Self::cursor_page) in the same order.
    /// Takes an `Option`, too: `None` for the first page.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    /// Skips the first `count` views.
    pub fn skip(mut self, count: u64) -> Self {
        self.scan.skip = count;
        self
    }

    /// Returns at most `count` views.
    pub fn take(mut self, count: u64) -> Self {
        self.scan.take = count;
        self
    }

    /// Returns the views.
    ///
    /// # Errors
    /// When the store fails, or a stored view does not fit the type. [`Invalid`] if the cursor is of another
    /// order.
    pub async fn all(mut self) -> Result<Vec<V>> {
        self.begin()?;
        match self.filter {
            None => self.rows().await,
            Some(_) => Ok(self.filtered().await?.items),
        }
    }

    /// Returns the first view.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn first(self) -> Result<Option<V>> {
        Ok(self.take(1).all().await?.into_iter().next())
    }

    /// Returns the views with the total number without `skip` and `take`, in one snapshot.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn page(mut self) -> Result<Page<V>> {
        self.begin()?;
        if self.filter.is_some() {
            return self.filtered().await;
        }
        self.scan.with_total = true;
        let page = self.read.scan(self.scan).await?;
        Ok(Page {
            items: page.rows.iter().map(decode_row).collect::<Result<_>>()?,
            total: page.total.unwrap_or_default(),
        })
    }

    /// Returns at most [`take`](Self::take) views, and the cursor of the next page, if there are more. Unlike
    /// [`page`](Self::page), it takes the same time for each page of a long result, and no view is left out or
    /// repeated because others were added or deleted between two pages.
    ///
    /// # Errors
    /// As [`all`](Self::all). [`Invalid`] if the page is to have no views, since none would come after it.
    pub async fn cursor_page(mut self) -> Result<CursorPage<V>> {
        self.begin()?;
        if self.scan.take == 0 {
            let reason = "a page of 0 views has no next one: take at least 1";
            return Err(Invalid::new(reason).into());
        }
        let order = self.order();
        let (index, take) = (self.scan.order, self.scan.take);
        // One more, to find out whether there is a next page.
        self.scan.take = take.saturating_add(1);
        let mut items = match self.filter {
            None => self.rows().await?,
            Some(_) => self.first_filtered().await?,
        };
        let has_more = items.len() as u64 > take;
        if has_more {
            items.pop();
        }
        let last = items.last().filter(|_| has_more);
        let next = last.map(|view| Cursor {
            order,
            place: place(view, index),
        });
        Ok(CursorPage { items, next })
    }

    /// Returns the number of views. Ignores `skip` and `take`.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn count(self) -> Result<u64> {
        Ok(self.take(0).page().await?.total)
    }

    /// Has the scan begin after the cursor.
    fn begin(&mut self) -> Result<(), Invalid> {
        let Some(cursor) = self.after.take() else {
            return Ok(());
        };
        let order = self.order();
        if cursor.order != order {
            return Err(Invalid::new(format!(
                "the cursor is of a page that is sorted by {}, but this one is sorted by {order}: begin \
                 again without a cursor",
                cursor.order
            )));
        }
        self.scan.after = Some(cursor.place);
        Ok(())
    }

    fn order(&self) -> CursorOrder {
        let index = self.scan.order.and_then(|place| V::INDEXES.get(place));
        CursorOrder {
            index: index.copied().unwrap_or_default().to_owned(),
            descending: self.scan.descending,
        }
    }

    /// The views of the scan, without a filter.
    async fn rows(self) -> Result<Vec<V>> {
        let page = self.read.scan(self.scan).await?;
        page.rows.iter().map(decode_row).collect()
    }

    /// Reads views within the ranges, some at a time, until enough of them pass the filter.
    async fn first_filtered(mut self) -> Result<Vec<V>> {
        let (mut skip, take) = (std::mem::take(&mut self.scan.skip), self.scan.take);
        self.scan.take = take.max(MIN_FILTERED);
        let mut found = Vec::new();
        loop {
            let rows = self.read.scan(self.scan.clone()).await?.rows;
            for row in &rows {
                let view = decode_row(row)?;
                self.scan.after = Some(place(&view, self.scan.order));
                if !self.filter.as_ref().is_none_or(|filter| filter(&view)) {
                    continue;
                }
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                found.push(view);
                if found.len() as u64 == take {
                    return Ok(found);
                }
            }
            if (rows.len() as u64) < self.scan.take {
                return Ok(found);
            }
        }
    }

    /// Reads all views within the ranges, in one snapshot, and applies the filter, `skip` and
    /// `take`.
    async fn filtered(self) -> Result<Page<V>> {
        let (skip, take) = (self.scan.skip, self.scan.take);
        let scan = ViewScan {
            skip: 0,
            take: u64::MAX,
            ..self.scan
        };
        let mut page = Page {
            items: Vec::new(),
            total: 0,
        };
        for row in self.read.scan(scan).await?.rows {
            let view = decode_row(&row)?;
            if self.filter.as_ref().is_none_or(|filter| filter(&view)) {
                page.total += 1;
                if page.total > skip && (page.items.len() as u64) < take {
                    page.items.push(view);
                }
            }
        }
        Ok(page)
    }
}

/// The place of a view in the order of an index, or of keys.
fn place<V: ReadModel>(view: &V, index: Option<usize>) -> ViewPlace {
    ViewPlace {
        sort_key: index.and_then(|index| view.sort_keys().into_iter().nth(index)),
        key: view.key().to_string(),
    }
}

fn decode_row<V: ReadModel>((key, body): &(String, Vec<u8>)) -> Result<V> {
    decode(key, body)
}
