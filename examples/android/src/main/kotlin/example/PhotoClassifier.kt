package example

import android.content.Context
import android.graphics.ImageDecoder
import android.graphics.Rect
import android.net.Uri
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.tasks.components.containers.Category
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.imageclassifier.ImageClassifier

/** Classifies photos with a file that keras_lightnets exported; `side` is the --size of the training. */
class PhotoClassifier(private val context: Context, private val side: Int, file: String) {
    private val classifier = ImageClassifier.createFromOptions(
        context,
        ImageClassifier.ImageClassifierOptions.builder()
            .setBaseOptions(BaseOptions.builder().setModelAssetPath(file).build())
            .setMaxResults(3)
            .build()
    )

    /** Returns the likeliest classes, the best first. */
    fun classify(photo: Uri): List<Category> {
        val source = ImageDecoder.createSource(context.contentResolver, photo)
        val bitmap = ImageDecoder.decodeBitmap(source) { decoder, info, _ ->
            // MediaPipe would stretch the photo. The network was trained on the central square.
            val scale = side.toDouble() / minOf(info.size.width, info.size.height)
            val width = maxOf(side, Math.round(info.size.width * scale).toInt())
            val height = maxOf(side, Math.round(info.size.height * scale).toInt())
            val left = (width - side) / 2
            val top = (height - side) / 2
            decoder.setTargetSize(width, height)
            decoder.crop = Rect(left, top, left + side, top + side)
            decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
        }
        val result = classifier.classify(BitmapImageBuilder(bitmap).build())
        return result.classificationResult().classifications().first().categories()
    }
}
