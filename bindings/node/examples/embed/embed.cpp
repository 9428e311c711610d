// A program that embeds Node as Electron does, with GLib's main loop in Chromium's place: GLib owns the main thread. A
// second thread waits on the fd of libuv's loop, for at most uv_backend_timeout, and asks the main thread by an idle
// source for one uv_run(UV_RUN_NOWAIT); then it waits until that has been done.
//
//   embed SCRIPT.js [ARGUMENT...]   what the script gets beside Node: the global object `host`, see Host::expose
//
// The add-on knows nothing of all this: it is the same asyncguest.node, and its guest lives in this libuv loop.
#include <glib.h>
#include <node.h>
#include <poll.h>
#include <uv.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using v8::Context;
using v8::Function;
using v8::FunctionCallbackInfo;
using v8::HandleScope;
using v8::Isolate;
using v8::Local;
using v8::Locker;
using v8::Object;
using v8::String;
using v8::Value;

Local<String> text(Isolate *isolate, const char *value)
{
    return String::NewFromUtf8(isolate, value).ToLocalChecked();
}

class Host {
public:
    explicit Host(node::CommonEnvironmentSetup &setup) : setup_(setup), uv_(setup.event_loop())
    {
        uv_sem_init(&turn_done_, 0);
        uv_async_init(uv_, &interrupt_, nullptr); // wakes the waiting thread at the end
        uv_unref(reinterpret_cast<uv_handle_t *>(&interrupt_));
    }

    ~Host()
    {
        uv_close(reinterpret_cast<uv_handle_t *>(&interrupt_), nullptr);
        uv_run(uv_, UV_RUN_NOWAIT);
        uv_sem_destroy(&turn_done_);
        g_main_loop_unref(main_);
    }

    // Runs GLib's loop, and Node inside it, until the script calls host.end(code). Returns the code.
    int run()
    {
        spin(); // what the script has started is in libuv's set only after a turn
        std::thread waiting([this] { wait(); });
        g_main_loop_run(main_);
        ended_ = true;
        uv_async_send(&interrupt_);
        uv_sem_post(&turn_done_);
        waiting.join();
        return code_;
    }

    // host.soon(f)     f() from a source of GLib's, as a button's handler
    // host.dialog(ms)  a nested GMainLoop, until host.close() or for ms at most; true if it was closed in time
    // host.close()     ends the innermost dialog
    // host.end(code)   ends the program
    void expose(Local<Context> context)
    {
        Isolate *isolate = setup_.isolate();
        Local<Object> host = Object::New(isolate);
        auto add = [&](const char *name, v8::FunctionCallback function) {
            Local<Value> self = v8::External::New(isolate, this);
            host->Set(context, text(isolate, name), Function::New(context, function, self).ToLocalChecked()).Check();
        };
        add("soon", soon);
        add("dialog", dialog);
        add("close", close);
        add("end", end);
        context->Global()->Set(context, text(isolate, "host"), host).Check();
    }

private:
    static Host *self(const FunctionCallbackInfo<Value> &info)
    {
        return static_cast<Host *>(info.Data().As<v8::External>()->Value());
    }

    // Thread: the waiting one.
    void wait()
    {
        for (;;) {
            struct pollfd fd = {uv_backend_fd(uv_), POLLIN, 0};
            poll(&fd, 1, uv_backend_timeout(uv_));
            if (ended_)
                return;
            g_idle_add_full(G_PRIORITY_DEFAULT, turn, this, nullptr);
            uv_sem_wait(&turn_done_);
            if (ended_)
                return;
        }
    }

    static gboolean turn(void *data)
    {
        auto *self = static_cast<Host *>(data);
        self->spin();
        uv_sem_post(&self->turn_done_);
        return G_SOURCE_REMOVE;
    }

    void spin()
    {
        HandleScope handles(setup_.isolate());
        Context::Scope context(setup_.context());
        uv_run(uv_, UV_RUN_NOWAIT);
    }

    struct Call {
        Host *host;
        v8::Global<Function> function;
    };

    static void soon(const FunctionCallbackInfo<Value> &info)
    {
        auto *call = new Call{self(info), v8::Global<Function>(info.GetIsolate(), info[0].As<Function>())};
        g_idle_add_full(G_PRIORITY_DEFAULT, run_call, call, [](void *data) { delete static_cast<Call *>(data); });
    }

    static gboolean run_call(void *data)
    {
        auto *call = static_cast<Call *>(data);
        Isolate *isolate = call->host->setup_.isolate();
        HandleScope handles(isolate);
        Local<Context> context = call->host->setup_.context();
        Context::Scope scope(context);
        (void)node::MakeCallback(isolate, context->Global(), call->function.Get(isolate), 0, nullptr, {0, 0});
        return G_SOURCE_REMOVE;
    }

    static void dialog(const FunctionCallbackInfo<Value> &info)
    {
        Host *host = self(info);
        GMainLoop *outer = host->dialog_;
        GMainLoop *inner = host->dialog_ = g_main_loop_new(nullptr, FALSE);
        bool late = false;
        struct Limit {
            GMainLoop *loop;
            bool *late;
        } limit = {inner, &late};
        guint source = g_timeout_add(
            info[0].As<v8::Uint32>()->Value(),
            [](void *data) -> gboolean {
                auto *limit = static_cast<Limit *>(data);
                *limit->late = true;
                g_main_loop_quit(limit->loop);
                return G_SOURCE_REMOVE;
            },
            &limit);
        g_main_loop_run(inner);
        if (!late)
            g_source_remove(source);
        g_main_loop_unref(inner);
        host->dialog_ = outer;
        info.GetReturnValue().Set(!late);
    }

    static void close(const FunctionCallbackInfo<Value> &info)
    {
        if (self(info)->dialog_)
            g_main_loop_quit(self(info)->dialog_);
    }

    static void end(const FunctionCallbackInfo<Value> &info)
    {
        self(info)->code_ = int(info[0].As<v8::Uint32>()->Value());
        // From a source: the script may say so before the loop runs, which then would not notice.
        g_idle_add_full(
            G_PRIORITY_DEFAULT,
            [](void *main) -> gboolean {
                g_main_loop_quit(static_cast<GMainLoop *>(main));
                return G_SOURCE_REMOVE;
            },
            self(info)->main_, nullptr);
    }

    node::CommonEnvironmentSetup &setup_;
    uv_loop_t *uv_;
    uv_sem_t turn_done_;
    uv_async_t interrupt_;
    GMainLoop *main_ = g_main_loop_new(nullptr, FALSE);
    GMainLoop *dialog_ = nullptr;
    std::atomic<bool> ended_{false};
    int code_ = 0;
};

int run(node::MultiIsolatePlatform *platform, const std::vector<std::string> &arguments)
{
    std::vector<std::string> errors;
    auto setup = node::CommonEnvironmentSetup::Create(platform, &errors, arguments, std::vector<std::string>());
    if (!setup) {
        for (const std::string &error : errors)
            fprintf(stderr, "embed: %s\n", error.c_str());
        return 1;
    }
    Isolate *isolate = setup->isolate();
    Locker locker(isolate);
    Isolate::Scope in_isolate(isolate);
    HandleScope handles(isolate);
    Context::Scope in_context(setup->context());
    int code = 1;
    {
        Host host(*setup);
        host.expose(setup->context());
        const char *start = "const { resolve } = require('path'); const file = resolve(process.argv[1]);"
                            "require('module').createRequire(file)(file);";
        if (!node::LoadEnvironment(setup->env(), start).IsEmpty())
            code = host.run();
        int emitted = node::EmitProcessExit(setup->env()).FromMaybe(1);
        code = code ? code : emitted;
    }
    node::Stop(setup->env());
    return code;
}

} // namespace

int main(int argc, char **argv)
{
    argv = uv_setup_args(argc, argv);
    if (argc < 2) {
        fprintf(stderr, "usage: embed SCRIPT.js [ARGUMENT...]\n");
        return 2;
    }
    auto result = node::InitializeOncePerProcess(std::vector<std::string>(argv, argv + argc),
                                                 {node::ProcessInitializationFlags::kNoInitializeV8,
                                                  node::ProcessInitializationFlags::kNoInitializeNodeV8Platform});
    for (const std::string &error : result->errors())
        fprintf(stderr, "embed: %s\n", error.c_str());
    if (result->early_return())
        return result->exit_code();
    auto platform = node::MultiIsolatePlatform::Create(2);
    v8::V8::InitializePlatform(platform.get());
    v8::V8::Initialize();
    int code = run(platform.get(), result->args());
    v8::V8::Dispose();
    v8::V8::DisposePlatform();
    node::TearDownOncePerProcess();
    return code;
}
