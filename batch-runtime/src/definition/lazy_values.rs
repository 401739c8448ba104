//! A store of values that are made on first use, such as the resources of a job execution or the connections and
//! outputs of a step. It only grows, so a reference to a value is valid as long as the store exists.

use std::any::{Any, TypeId};
use std::sync::{Mutex, OnceLock, PoisonError};

/// An append-only list of values, each with a key. The default key is the type of the value. `V` is `dyn Any`, or
/// `dyn Any + Send + Sync` if threads share the list.
pub(crate) struct LazyValues<V: ?Sized, K = TypeId> {
    first: OnceLock<Box<Entry<V, K>>>,
}

struct Entry<V: ?Sized, K> {
    key: K,
    value: OnceLock<Box<V>>,
    making: Mutex<()>,
    next: OnceLock<Box<Entry<V, K>>>,
}

impl<V: ?Sized, K: Clone + PartialEq> LazyValues<V, K> {
    pub(crate) const fn new() -> Self {
        Self { first: OnceLock::new() }
    }

    fn entry(&self, key: &K) -> &Entry<V, K> {
        let mut link = &self.first;
        loop {
            let entry = link.get_or_init(|| {
                let key = key.clone();
                Box::new(Entry { key, value: OnceLock::new(), making: Mutex::new(()), next: OnceLock::new() })
            });
            if entry.key == *key {
                return entry;
            }
            link = &entry.next;
        }
    }

    /// Returns the value of `key`. `make` makes it on first use and only once, even if threads race. A failure
    /// is not kept: the next caller tries again.
    fn get_or_make<E>(&self, key: &K, make: impl FnOnce() -> Result<Box<V>, E>) -> Result<&V, E> {
        let entry = self.entry(key);
        if entry.value.get().is_none() {
            let _making = entry.making.lock().unwrap_or_else(PoisonError::into_inner);
            if entry.value.get().is_none() {
                let value = make()?;
                return Ok(entry.value.get_or_init(|| value));
            }
        }
        Ok(entry.value.get().expect("was just seen or set"))
    }
}

impl LazyValues<dyn Any> {
    pub(crate) fn local<K: 'static, T: 'static, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        let value =
            self.get_or_make(&TypeId::of::<K>(), || make().map(|value| Box::new(value) as Box<dyn Any>))?;
        Ok(value.downcast_ref().expect("a key has one type"))
    }
}

impl<K: Clone + PartialEq> LazyValues<dyn Any, (TypeId, K)> {
    /// Returns the value of that type and `key`. `make` makes it on first use.
    pub(crate) fn of_key<T: 'static, E>(&self, key: K, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let value = self
            .get_or_make(&(TypeId::of::<T>(), key), || make().map(|value| Box::new(value) as Box<dyn Any>))?;
        Ok(value.downcast_ref().expect("the type is part of the key"))
    }
}

impl LazyValues<dyn Any + Send + Sync> {
    pub(crate) fn shared<K: 'static, T: Send + Sync + 'static, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        let value = self.get_or_make(&TypeId::of::<K>(), || {
            make().map(|value| Box::new(value) as Box<dyn Any + Send + Sync>)
        })?;
        Ok(value.downcast_ref().expect("a key has one type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_and_may_use_another_while_it_is_made() {
        struct Outer;
        struct Inner;
        let values: LazyValues<dyn Any + Send + Sync> = LazyValues::new();
        for _ in 0..2 {
            let outer: Result<&u32, ()> = values.shared::<Outer, _, _>(|| {
                let inner: &u32 = values.shared::<Inner, _, ()>(|| Ok(1))?;
                Ok(inner + 1)
            });
            assert_eq!(outer, Ok(&2));
        }
        assert_eq!(values.shared::<Inner, u32, ()>(|| Err(())), Ok(&1));
    }

    #[test]
    fn a_failure_is_not_kept() {
        struct Key;
        let values: LazyValues<dyn Any> = LazyValues::new();
        assert_eq!(values.local::<Key, u32, &str>(|| Err("not yet")), Err("not yet"));
        assert_eq!(values.local::<Key, u32, &str>(|| Ok(3)), Ok(&3));
    }
}
