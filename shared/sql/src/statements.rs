//! The statements of a store, one per file.

/// Declares a constant for the text of each file below `queries/`, and `ALL`, which lists them for the test that
/// prepares them. It is called in a file of `src/`, because paths are relative to the calling file.
#[macro_export]
macro_rules! statements {
    ($($folder:literal { $($name:ident => $file:literal,)* })*) => {
        $($(pub(crate) const $name: &str = include_str!(concat!("../queries/", $folder, "/", $file, ".sql"));)*)*

        /// Every statement: the folder below `queries/` and the name of its file, and its text.
        pub const ALL: &[(&str, &str, &str)] = &[$($(($folder, $file, $name),)*)*];
    };
}
