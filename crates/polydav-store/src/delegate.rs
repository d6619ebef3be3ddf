//! `delegate!`: the methods that a store over another leaves to that one.

/// Writes methods of an `impl Store` that do what another store does.
///
/// Before the `;` stands which store that is, seen from this one; behind it, which methods. What isn't
/// named is written by hand, or stays as [`Store`](crate::Store) provides it.
///
/// ```
/// use polydav_store::{Broken, LockView, MemoryStore, Report, Run, Store, delegate};
///
/// /// A store that tells of each run.
/// struct Traced(MemoryStore);
///
/// impl Store for Traced {
///     delegate!(this => this.0; capabilities, stat, walk, read, stage, space);
///
///     fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
///         println!("{} steps", run.steps.len());
///         self.0.apply(run, locks, report)
///     }
/// }
/// ```
#[macro_export]
macro_rules! delegate {
    (@capabilities $this:ident => $to:expr) => {
        fn capabilities(&self, path: &$crate::ResourcePath) -> $crate::Capabilities {
            let $this = self;
            $crate::Store::capabilities(&$to, path)
        }
    };
    (@stat $this:ident => $to:expr) => {
        fn stat(
            &self,
            path: &$crate::ResourcePath,
            select: &$crate::Select,
        ) -> ::std::result::Result<$crate::Entry, $crate::Failure> {
            let $this = self;
            $crate::Store::stat(&$to, path, select)
        }
    };
    (@try_stat $this:ident => $to:expr) => {
        fn try_stat(
            &self,
            path: &$crate::ResourcePath,
            select: &$crate::Select,
        ) -> ::std::option::Option<::std::result::Result<$crate::Entry, $crate::Failure>> {
            let $this = self;
            $crate::Store::try_stat(&$to, path, select)
        }
    };
    (@walk $this:ident => $to:expr) => {
        fn walk(
            &self,
            root: &$crate::ResourcePath,
            walk: &$crate::Walk,
            visit: &mut dyn FnMut($crate::Visit) -> ::std::ops::ControlFlow<()>,
        ) -> ::std::result::Result<(), $crate::Failure> {
            let $this = self;
            $crate::Store::walk(&$to, root, walk, visit)
        }
    };
    (@read $this:ident => $to:expr) => {
        fn read(
            &self,
            path: &$crate::ResourcePath,
        ) -> ::std::result::Result<$crate::Reading, $crate::Failure> {
            let $this = self;
            $crate::Store::read(&$to, path)
        }
    };
    (@try_read $this:ident => $to:expr) => {
        fn try_read(
            &self,
            path: &$crate::ResourcePath,
        ) -> ::std::option::Option<::std::result::Result<$crate::Reading, $crate::Failure>> {
            let $this = self;
            $crate::Store::try_read(&$to, path)
        }
    };
    (@list $this:ident => $to:expr) => {
        fn list(
            &self,
            collection: &$crate::ResourcePath,
            page: &$crate::Page,
            visit: &mut dyn FnMut($crate::Listed) -> ::std::ops::ControlFlow<()>,
        ) -> ::std::result::Result<(), $crate::Failure> {
            let $this = self;
            $crate::Store::list(&$to, collection, page, visit)
        }
    };
    (@mounts $this:ident => $to:expr) => {
        fn mounts(&self) -> ::std::vec::Vec<$crate::ResourcePath> {
            let $this = self;
            $crate::Store::mounts(&$to)
        }
    };
    (@locate $this:ident => $to:expr) => {
        fn locate(
            &self,
            collection: &$crate::ResourcePath,
            record: &$crate::Fields,
        ) -> ::std::result::Result<$crate::ResourcePath, $crate::Failure> {
            let $this = self;
            $crate::Store::locate(&$to, collection, record)
        }
    };
    (@stage $this:ident => $to:expr) => {
        fn stage(
            &self,
            target: &$crate::ResourcePath,
            length: ::std::option::Option<u64>,
        ) -> ::std::result::Result<::std::boxed::Box<dyn $crate::Stage>, $crate::Failure> {
            let $this = self;
            $crate::Store::stage(&$to, target, length)
        }
    };
    (@apply $this:ident => $to:expr) => {
        fn apply(
            &self,
            run: $crate::Run,
            locks: &dyn $crate::LockView,
            report: &mut dyn $crate::Report,
        ) -> ::std::result::Result<(), $crate::Broken> {
            let $this = self;
            $crate::Store::apply(&$to, run, locks, report)
        }
    };
    (@fate $this:ident => $to:expr) => {
        fn fate(
            &self,
            commit: &$crate::Witness,
        ) -> ::std::result::Result<$crate::Fate, $crate::Failure> {
            let $this = self;
            $crate::Store::fate(&$to, commit)
        }
    };
    (@space $this:ident => $to:expr) => {
        fn space(
            &self,
            path: &$crate::ResourcePath,
        ) -> ::std::result::Result<::std::option::Option<$crate::Space>, $crate::Failure> {
            let $this = self;
            $crate::Store::space(&$to, path)
        }
    };
    ($this:ident => $to:expr; $($method:ident),+ $(,)?) => {
        $($crate::delegate!(@$method $this => $to);)+
    };
}
