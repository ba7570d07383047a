/*
 * atheris calls back at every branch and comparison of instrumented Python code, through a general
 * binding that costs more than the code itself. These two do the same, and call the same functions
 * of atheris, directly: targets run two to three times as fast.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <stdbool.h>

static void (*count)(int counter);
static PyObject *(*trace)(void *counter, PyObject *left, PyObject *right, int operation, bool first);

static PyObject *branch(PyObject *self, PyObject *counter) {
    (void)self;
    count((int)PyLong_AsLong(counter));
    Py_RETURN_NONE;
}

/* left, right, operation, counter, whether `left` is a constant of the code. */
static PyObject *compare(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    (void)self;
    if (given != 5) {
        PyErr_SetString(PyExc_TypeError, "compare takes five arguments");
        return NULL;
    }
    return trace(PyLong_AsVoidPtr(arguments[3]), arguments[0], arguments[1],
                 (int)PyLong_AsLong(arguments[2]), arguments[4] == Py_True);
}

static PyMethodDef METHODS[] = {
    {"branch", branch, METH_O, NULL},
    {"compare", (PyCFunction)(void (*)(void))compare, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "tracing", NULL, -1, METHODS, NULL, NULL, NULL, NULL,
};

/* What a loaded library has under a name; an exception is set when there is nothing. */
static void *found(void *library, const char *name) {
    void *symbol = library == NULL ? NULL : dlsym(library, name);
    if (symbol == NULL) {
        PyErr_Format(PyExc_ImportError, "atheris has no %s", name);
    }
    return symbol;
}

PyMODINIT_FUNC PyInit_tracing(void) {
    PyObject *core = PyImport_ImportModule("atheris.core_with_libfuzzer");
    PyObject *file = core == NULL ? NULL : PyModule_GetFilenameObject(core);
    const char *path = file == NULL ? NULL : PyUnicode_AsUTF8(file);
    void *library = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    Py_XDECREF(file);
    Py_XDECREF(core);
    if (PyErr_Occurred()) {
        return NULL;
    }
    *(void **)&count = found(library, "_ZN7atheris16IncrementCounterEi");
    if (count == NULL) {
        return NULL;
    }
    *(void **)&trace = found(library, "_ZN7atheris14TraceCompareOpEPvP7_objectS2_ib");
    return trace == NULL ? NULL : PyModule_Create(&MODULE);
}
