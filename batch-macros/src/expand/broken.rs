//! Generates the marker of a function with a mistake. It can take part in any step or job without a second
//! error: its types are erroneous, and rustc stays silent about everything built on such a type.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ItemFn;

use super::marked_function::{marked_function, marker_name};
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::types::impl_trait;
use crate::syntax::component::{conditions, stripped};

/// The function, and a marker for a component that fits everywhere.
pub(crate) fn component(role: Role, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let name = marker_name(&function.sig.ident);
    let body = match role {
        Role::Reader => reader(&name, &errors.take_first_as_type()),
        Role::Processor => processor(&name, &errors.take_first_as_type()),
        Role::Writer | Role::WriterObject => writer(&name),
        Role::Classifier => classifier(&name, &errors.take_first_as_type()),
        Role::Resource => resource(&name, &errors.take_first_as_type()),
        Role::Database => database(&name),
        Role::Listener | Role::SkipListener | Role::JobListener => listener(&name),
        Role::Partitioner => partitioner(&name, &errors.take_first_as_type()),
        Role::Grouping => grouping(&name, &errors.take_first_as_type()),
        Role::Aggregator => aggregator(&name, &errors.take_first_as_type()),
        Role::Decider | Role::Tasklet => TokenStream::new(),
    };
    marked_function(role.noun(), function, emitted(function), body)
}

/// The function itself. A generic function cannot be used as a value without its type arguments, so it is emitted in
/// a block of its own, and an empty function takes its name.
fn emitted(function: &ItemFn) -> TokenStream {
    let function = stripped(function);
    let opaque = function.sig.inputs.iter().any(|input| match input {
        syn::FnArg::Typed(typed) => impl_trait(&typed.ty).is_some(),
        syn::FnArg::Receiver(_) => false,
    });
    let generic = function
        .sig
        .generics
        .params
        .iter()
        .any(|parameter| !matches!(parameter, syn::GenericParam::Lifetime(_)));
    if !generic && !opaque {
        return quote!(#function);
    }
    let (conditions, vis, name) = (conditions(&function), &function.vis, &function.sig.ident);
    quote! {
        #(#conditions)*
        #[allow(dead_code)]
        const _: () = { #function };
        #(#conditions)*
        #[allow(dead_code)]
        #vis fn #name() {}
    }
}

fn constants(name: &Ident) -> TokenStream {
    let name = name.to_string();
    quote! {
        const NAME: &'static str = #name;
        const NEEDS: &'static [__batch::Need] = __batch::Need::HIDDEN;
    }
}

fn reader(name: &Ident, erroneous: &TokenStream) -> TokenStream {
    let constants = constants(name);
    quote! {
        impl __batch::ReaderDefinition for #name {
            #constants
            type Item = #erroneous;
            fn open<'s>(_: &__batch::Scope<'s>)
                -> ::core::result::Result<__batch::Broken<Self::Item>, __batch::Failure>
            {
                ::core::result::Result::Ok(__batch::Broken::new())
            }
        }
        impl<T> __batch::Reads<T> for #name {}
        impl<T> __batch::TakesPartition<T> for #name {}
    }
}

fn processor(name: &Ident, erroneous: &TokenStream) -> TokenStream {
    let constants = constants(name);
    quote! {
        impl<T: 'static> __batch::ProcessorDefinition<T> for #name {
            #constants
            type Passing = __batch::AtOnce;
            type State = <Self as __batch::ProcessorDefinition<T>>::Out;
            type Out = #erroneous;
            fn bind<'s>(_: &__batch::Scope<'s>)
                -> ::core::result::Result<impl __batch::Process<T, Out = Self::Out> + 's + use<'s, T>, __batch::Failure>
            {
                ::core::result::Result::Ok(__batch::Broken::new())
            }
        }
    }
}

fn writer(name: &Ident) -> TokenStream {
    let constants = constants(name);
    quote! {
        impl<T: 'static> __batch::WriterDefinition<T> for #name {
            #constants
            fn bind<'s>(_: &__batch::Scope<'s>)
                -> ::core::result::Result<__batch::Broken<T>, __batch::Failure>
            {
                ::core::result::Result::Ok(__batch::Broken::new())
            }
        }
    }
}

fn classifier(name: &Ident, erroneous: &TokenStream) -> TokenStream {
    let constants = constants(name);
    quote! {
        impl<T: 'static> __batch::ClassifierDefinition<T> for #name {
            #constants
            type Kind = #erroneous;
            fn bind<'s>(_: &__batch::Scope<'s>)
                -> ::core::result::Result<impl FnMut(&T) -> ::core::result::Result<Self::Kind, __batch::Failure> + 's + use<'s, T>, __batch::Failure>
            {
                ::core::result::Result::Ok(|_: &T| ::core::unimplemented!())
            }
        }
    }
}

fn resource(name: &Ident, erroneous: &TokenStream) -> TokenStream {
    let constants = constants(name);
    quote! {
        impl __batch::ResourceDefinition for #name {
            #constants
            type Value = #erroneous;
            fn build(_: &__batch::Scope<'_>) -> ::core::result::Result<Self::Value, __batch::Failure> {
                ::core::unimplemented!()
            }
        }
    }
}

fn partitioner(name: &Ident, erroneous: &TokenStream) -> TokenStream {
    let constants = constants(name);
    quote! {
        impl __batch::PartitionerDefinition for #name {
            #constants
            type Range = #erroneous;
            fn partitions(_: &__batch::Scope<'_>) -> ::core::result::Result<
                ::std::vec::Vec<(::std::string::String, Self::Range)>,
                __batch::Failure,
            > {
                ::core::unimplemented!()
            }
        }
    }
}

fn aggregator(name: &Ident, erroneous: &TokenStream) -> TokenStream {
    let constants = constants(name);
    quote! {
        impl __batch::AggregatorDefinition for #name {
            #constants
            const PART: &'static str = "";
            type Part = <Self as __batch::AggregatorDefinition>::Value;
            type Value = #erroneous;
            fn aggregate(
                _: &__batch::Scope<'_>,
                _: ::std::vec::Vec<::core::option::Option<__batch::Json>>,
            ) -> ::core::result::Result<::std::string::String, __batch::Failure> {
                ::core::unimplemented!()
            }
        }
    }
}

fn database(name: &Ident) -> TokenStream {
    quote! {
        impl __batch::Database for #name {
            type Driver = __batch::Sqlite;
            const INFO: ::core::option::Option<&'static __batch::DatabaseInfo> = ::core::option::Option::None;
        }
    }
}

/// A function of `chunk_while` that accepts every item.
fn grouping(name: &Ident, erroneous: &TokenStream) -> TokenStream {
    let constants = constants(name);
    let role = quote!(impl __batch::IsGrouping for #name {});
    quote! {
        impl<__T: 'static> __batch::GroupingDefinition<__T> for #name {
            #constants
            fn bind<'s>(_: &__batch::Scope<'s>)
                -> ::core::result::Result<impl __batch::Grouping<__T> + 's + use<'s, __T>, __batch::Failure>
            {
                let _: ::core::option::Option<#erroneous> = ::core::option::Option::None;
                ::core::result::Result::Ok(__batch::Pairwise(|_: &__T, _: &__T| true))
            }
        }
        #role
    }
}

fn listener(name: &Ident) -> TokenStream {
    let constants = constants(name);
    let text = name.to_string();
    quote! {
        impl __batch::IsListener for #name {}
        impl __batch::HearsSteps for #name {}
        impl __batch::HearsWholeSteps for #name {}
        impl __batch::HearsChunks for #name {}
        impl<T> __batch::HearsRead<T> for #name {}
        impl<T> __batch::HearsWritten<T> for #name {}
        impl<In, Out> __batch::ListenerDefinition<In, Out> for #name {
            #constants
            fn bind<'s>(_: &__batch::Scope<'s>)
                -> ::core::result::Result<impl __batch::StepListener<In, Out> + 's + use<'s, In, Out>, __batch::Failure>
            {
                ::core::result::Result::Ok(())
            }
        }
        impl __batch::JobListenerDefinition for #name {
            const LISTENER: __batch::JobListener = __batch::JobListener {
                name: #text,
                needs: &[],
                hears: __batch::JobEvent::Before(|_| ::core::result::Result::Ok(())),
            };
        }
    }
}
