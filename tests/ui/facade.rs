//! The facade's macros without the engine, so that these cases never compile burn.

#[macro_export]
macro_rules! recipe {
    ($($tokens:tt)*) => { ::fastai_macros::recipe_at! { [::fastai_dsl] $($tokens)* } };
}

#[macro_export]
macro_rules! include_recipe {
    ($path:literal) => { ::fastai_macros::include_recipe_at! { [::fastai_dsl] $path } };
}
