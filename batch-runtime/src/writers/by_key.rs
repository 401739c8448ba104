//! [`by_key`] writes many files, one for each key of the items.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use super::FilePosition;
use super::file::{FileWriter, Opened, Owner, refuse_same_name};
use super::route::group::{permute, places_by_arm};
use crate::definition::{Arranged, BoxError, ChunkTransaction, Durability, Failure, Mark, Writer};

/// The default maximum number of open files.
const MAX_FILES: usize = 100;

/// Writes each item into the file of its key, with a writer that `make` returns for the key.
///
/// The items may come in any order, and keep it within each file. (The items of a chunk are grouped by key first;
/// another writer of the same chunk gets them in that order too.) All files stay open until the step ends, and get
/// their final names then; a restart continues all of them. So the number of keys is bounded, by 100 or by
/// [`most_files`](ByKey::most_files); an item with a further key is refused. The position of the step names every key.
/// The file names must contain the key; two keys whose files have the same name are refused.
///
/// A step with `partitions` cannot use this writer; a step with `threads` can.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::testing;
/// use batch_runtime::writers::{ByKey, by_key};
///
/// #[derive(Serialize)]
/// struct Sale { id: u32, region: &'static str }
///
/// #[reader]
/// fn sales() -> impl Iterator<Item = Sale> {
///     [(1, "north"), (2, "south"), (3, "north")].map(|(id, region)| Sale { id, region }).into_iter()
/// }
///
/// #[writer]
/// fn regions(folder: PathBuf) -> ByKey<CsvWriter<Sale>, String> {
///     by_key(
///         |sale: &Sale| sale.region.to_owned(),
///         move |region| CsvWriter::create(folder.join(format!("{region}.csv"))),
///     )
/// }
///
/// #[step(chunk = 100)]
/// fn export() {
///     sales | regions
/// }
///
/// #[job]
/// fn exports(folder: PathBuf) {
///     export;
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("doc-by-key-{}", std::process::id()));
/// # std::fs::create_dir(&folder)?;
/// assert_eq!(testing::run(&exports(folder.clone()))?.exit.code, "COMPLETED");
/// assert_eq!(std::fs::read_to_string(folder.join("north.csv"))?, "id,region\n1,north\n3,north\n");
/// assert_eq!(std::fs::read_to_string(folder.join("south.csv"))?, "id,region\n2,south\n");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
pub fn by_key<W: FileWriter, K: Ord>(
    key: impl FnMut(&W::Item) -> K + Send + 'static,
    make: impl FnMut(&K) -> W + Send + 'static,
) -> ByKey<W, K> {
    ByKey {
        key: Box::new(key),
        make: Box::new(make),
        most: MAX_FILES,
        owner: Owner::default(),
        files: BTreeMap::new(),
        chosen: Vec::new(),
        places: Vec::new(),
    }
}

type KeyOf<T, K> = Box<dyn FnMut(&T) -> K + Send>;

type Make<W, K> = Box<dyn FnMut(&K) -> W + Send>;

/// Writes each item into the file of its key; made by [`by_key`].
///
/// ```
/// use batch_runtime::writers::{ByKey, CsvWriter, by_key};
///
/// let writer: ByKey<CsvWriter<(u32, String)>, u32> =
///     by_key(|item: &(u32, String)| item.0 % 10, |digit| CsvWriter::create(format!("{digit}.csv")));
/// ```
#[must_use]
pub struct ByKey<W: Writer, K> {
    key: KeyOf<W::Item, K>,
    make: Make<W, K>,
    most: usize,
    owner: Owner,
    files: BTreeMap<K, File<W>>,
    /// The number of the key of each item of the current chunk; kept to reuse the memory.
    chosen: Vec<usize>,
    /// The destination of each item; kept to reuse the memory.
    places: Vec<usize>,
}

struct File<W> {
    opened: Opened<W>,
    /// False if the file was begun in a chunk that was rolled back: it is empty, and removed at the end. A rollback
    /// leaves it there because a former owner that wakes up must not remove a file that may belong to the current one.
    counts: bool,
}

impl<W: FileWriter, K: Ord + Serialize> ByKey<W, K> {
    /// Sets the number of files that may be open, 100 by default. The operating system has a limit as well,
    /// often of 1,024 for each process.
    pub fn most_files(mut self, files: usize) -> Self {
        self.most = files;
        self
    }

    /// Returns the file of a key, and begins the file if there is none.
    fn file(&mut self, key: K) -> Result<&mut W, BoxError> {
        let mut file = match self.files.remove(&key) {
            Some(file) => file,
            None => self.begin(&key)?,
        };
        file.counts = true;
        Ok(&mut self.files.entry(key).or_insert(file).opened.writer)
    }

    fn begin(&mut self, key: &K) -> Result<File<W>, BoxError> {
        if self.files.len() >= self.most {
            return Err(Failure::new(format!(
                "the items have more than {} keys, and each needs an open file: {} is one too many; allow more with `.most_files(..)`, or take a key with fewer values",
                self.most,
                shown(key)
            ))
            .into());
        }
        let writer = (self.make)(key);
        for (other, file) in &self.files {
            let files = || format!("the files of keys {} and {}", shown(other), shown(key));
            refuse_same_name(&writer, &file.opened.writer, files)?;
        }
        Ok(File { opened: self.owner.open(writer, None)?, counts: true })
    }
}

fn shown<K: Serialize>(key: &K) -> String {
    serde_json::to_string(key).unwrap_or_else(|error| format!("a key that cannot be shown as JSON ({error})"))
}

impl<W: FileWriter, K: Ord + Clone + Serialize + DeserializeOwned> Writer for ByKey<W, K> {
    type Item = W::Item;
    type Position = Vec<(K, FilePosition)>;
    type Error = BoxError;

    fn kind() -> String {
        format!("by_key({})", W::kind())
    }

    const CAN_ROLL_BACK: bool = true;

    fn mark(&mut self, mark: Mark) {
        self.owner.mark = mark;
    }

    fn take_over(&mut self) {
        self.owner.takes_over = true;
    }

    fn replays(&mut self) {
        self.owner.replays = true;
    }

    fn open(&mut self, from: Option<Self::Position>) -> Result<(), BoxError> {
        for (key, position) in from.unwrap_or_default() {
            let opened = self.owner.open((self.make)(&key), Some(position))?;
            self.files.insert(key, File { opened, counts: true });
        }
        Ok(())
    }

    fn write(&mut self, items: &[W::Item], tx: &ChunkTransaction<'_>) -> Result<(), BoxError> {
        let keys: Vec<K> = items.iter().map(&mut self.key).collect();
        let mut rest = items;
        for run in keys.chunk_by(PartialEq::eq) {
            let (now, later) = rest.split_at(run.len());
            self.file(run[0].clone())?.write(now, tx)?;
            rest = later;
        }
        Ok(())
    }

    fn arrange(&mut self, items: &mut Arranged<'_, W::Item>) {
        let keys: Vec<K> = items.items().iter().map(&mut self.key).collect();
        if keys.is_sorted() {
            return;
        }
        let mut numbers: BTreeMap<&K, usize> = keys.iter().map(|key| (key, 0)).collect();
        for (number, (_, place)) in numbers.iter_mut().enumerate() {
            *place = number;
        }
        self.chosen.clear();
        self.chosen.extend(keys.iter().map(|key| numbers[key]));
        places_by_arm(&self.chosen, numbers.len(), &mut self.places);
        permute(items, &mut self.chosen, &mut self.places);
    }

    fn prepare(&mut self, durability: Durability) -> Result<(), BoxError> {
        for file in self.files.values_mut() {
            file.opened.writer.prepare(durability)?;
        }
        Ok(())
    }

    fn position(&self) -> Self::Position {
        let files = self.files.iter().filter(|(_, file)| file.counts);
        files.map(|(key, file)| (key.clone(), file.opened.writer.position())).collect()
    }

    fn rollback(&mut self, to: &Self::Position) -> Result<(), BoxError> {
        let mut outcome = Ok(());
        for (key, file) in &mut self.files {
            let to = to.iter().find(|(other, _)| other == key).map(|(_, position)| *position);
            file.counts = to.is_some();
            outcome = outcome.and(file.opened.rollback(to));
        }
        Ok(outcome?)
    }

    fn seal(&mut self, durability: Durability) -> Result<(), BoxError> {
        for file in self.files.values_mut().filter(|file| file.counts) {
            file.opened.writer.seal(durability)?;
        }
        Ok(())
    }

    fn finish(&mut self, durability: Durability) -> Result<(), BoxError> {
        for file in self.files.values_mut() {
            if file.counts {
                file.opened.writer.finish(durability)?;
            } else {
                file.opened.writer.discard()?;
            }
        }
        self.files.retain(|_, file| file.counts);
        Ok(())
    }
}

impl<W: Writer, K: fmt::Debug> fmt::Debug for ByKey<W, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey")
            .field("most", &self.most)
            .field("keys", &self.files.keys())
            .finish_non_exhaustive()
    }
}
