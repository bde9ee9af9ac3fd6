package example

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView

/** A button that chooses a photo, and its classes. */
class MainActivity : Activity() {
    private lateinit var classifier: PhotoClassifier
    private lateinit var classes: TextView

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        classifier = PhotoClassifier(this, 224, "model_float32.tflite")
        classes = TextView(this)
        val button = Button(this)
        button.text = "Choose a photo"
        button.setOnClickListener {
            startActivityForResult(Intent(Intent.ACTION_GET_CONTENT).setType("image/*"), 0)
        }
        val page = LinearLayout(this)
        page.orientation = LinearLayout.VERTICAL
        page.fitsSystemWindows = true
        page.addView(button)
        page.addView(classes)
        setContentView(page)
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        val photo = data?.data ?: return
        val lines = classifier.classify(photo).map { "%s  %.1f %%".format(it.categoryName(), 100 * it.score()) }
        classes.text = lines.joinToString("\n")
    }
}
