plugins {
    id("com.android.application") version "8.5.2"
    id("org.jetbrains.kotlin.android") version "1.9.24"
}

android {
    namespace = "example"
    compileSdk = 34
    defaultConfig { minSdk = 28 }
    kotlin { jvmToolchain(17) }
    // MediaPipe maps the file from the package.
    androidResources { noCompress += "tflite" }
}

dependencies { implementation("com.google.mediapipe:tasks-vision:0.10.14") }
