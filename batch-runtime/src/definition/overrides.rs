//! [`Given`]: values for a job's resources and databases, in place of calling their functions.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::database::{Database, DatabaseHandle, Driver};
use super::{Failure, ResourceDefinition};

/// Resources and databases for a run in a test, in place of those that its `#[resource]` and `#[database]` functions
/// would return.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::{Given, InvalidRate, RateLimit};
///
/// #[resource]
/// fn quota() -> Result<RateLimit, InvalidRate> {
///     RateLimit::new(1, "1h")
/// }
///
/// let given = Given::default().resource::<quota>(RateLimit::new(1_000, "1s")?);
/// # let _ = given;
/// # Ok::<(), InvalidRate>(())
/// ```
#[derive(Clone, Default)]
pub struct Given {
    resources: BTreeMap<TypeId, (&'static str, Arc<dyn Any + Send + Sync>)>,
    databases: BTreeMap<&'static str, DatabaseHandle>,
}

impl Given {
    /// Sets the value of a `#[resource]`, so that its function is not called.
    #[must_use]
    pub fn resource<R: ResourceDefinition>(mut self, value: R::Value) -> Self {
        self.resources.insert(TypeId::of::<R>(), (R::NAME, Arc::new(value)));
        self
    }

    /// Sets the database of a `#[database]`, so that its function is not called.
    ///
    /// # Errors
    /// If the type is not a `#[database]` function but a kind, such as [`Sqlite`](super::Sqlite), which means the
    /// repository's own.
    pub fn database<D: Database>(mut self, database: D::Driver) -> Result<Self, Failure> {
        let info = D::INFO.ok_or_else(|| {
            Failure::new("the repository's own database cannot be given: name a `#[database]` function")
        })?;
        self.databases.insert(info.id, database.into_handle());
        Ok(self)
    }

    /// The value that was given for a resource.
    pub(crate) fn of_resource<R: ResourceDefinition>(&self) -> Option<&R::Value> {
        let (_, value) = self.resources.get(&TypeId::of::<R>())?;
        value.downcast_ref()
    }

    /// The databases by the IDs of their functions.
    pub(crate) fn databases(&self) -> &BTreeMap<&'static str, DatabaseHandle> {
        &self.databases
    }
}

impl fmt::Debug for Given {
    /// Shows only the names, because the values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = self.resources.values().map(|(name, _)| *name);
        f.debug_struct("Given")
            .field("resources", &resources.collect::<Vec<_>>())
            .field("databases", &self.databases.keys().collect::<Vec<_>>())
            .finish()
    }
}
