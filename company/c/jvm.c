/* A Java virtual machine in the process, whose threads are attached and have tasks. */
#include "company.h"

#include <jni.h>

static JavaVM *vm;

static int call(void) {
    JNIEnv *env;
    if ((*vm)->AttachCurrentThread(vm, (void **)&env, NULL)) return -1;
    jclass system = (*env)->FindClass(env, "java/lang/System"), thread = (*env)->FindClass(env, "java/lang/Thread");
    if (!system || !thread) wrong("no such class");
    for (int i = 0; i < 100; i++) {
        (*env)->PushLocalFrame(env, 16);
        jstring text = (*env)->NewStringUTF(env, "hello");
        if (!text || (*env)->GetStringLength(env, text) != 5) wrong("a string of Java's");
        if (!(*env)->NewByteArray(env, 10000)) wrong("no memory");
        (*env)->PopLocalFrame(env, NULL);
    }
    (*env)->CallStaticVoidMethod(env, thread, (*env)->GetStaticMethodID(env, thread, "sleep", "(J)V"), (jlong)1);
    if ((*env)->ExceptionCheck(env)) wrong("Thread.sleep has thrown");
    (*env)->CallStaticVoidMethod(env, system, (*env)->GetStaticMethodID(env, system, "gc", "()V"));
    if ((*env)->ExceptionCheck(env)) wrong("System.gc has thrown");
    (*env)->DeleteLocalRef(env, system);
    (*env)->DeleteLocalRef(env, thread);
    return 0;
}

/* No thread may end attached. */
static int attached_for_a_while(void) {
    int result = call();
    if ((*vm)->DetachCurrentThread(vm)) wrong("DetachCurrentThread");
    return result;
}

int main(int count, char **arguments) {
    begin(count, arguments);
    JNIEnv *env;
    JavaVMOption options[] = {{.optionString = "-Xmx64m"}};
    JavaVMInitArgs init = {.version = JNI_VERSION_1_8, .nOptions = 1, .options = options};
    if (JNI_CreateJavaVM(&vm, (void **)&env, &init)) wrong("JNI_CreateJavaVM");
    beside(2, (company_round[]){attached_for_a_while, attached_for_a_while});
    if ((*vm)->DestroyJavaVM(vm)) wrong("DestroyJavaVM");
}
